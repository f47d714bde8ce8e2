//! HAProxy: a frontend logs if it, or its defaults, say `log`, but for what is set silent at last.
//!
//! What it is not: able to weigh conditions; one that needs two things at once counts as none.
//!
//! What surprises: `option dontlog-normal` still logs what failed, with address and path.

use std::collections::HashMap;

use super::{Logging, Visited};

/// What begins a section.
const SECTIONS: [&str; 19] = [
    "global",
    "defaults",
    "frontend",
    "listen",
    "backend",
    "peers",
    "cache",
    "crt-store",
    "fcgi-app",
    "http-errors",
    "log-forward",
    "log-profile",
    "mailers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
    "acme",
];

/// Paths that a condition covers, exact or by their beginning.
#[derive(Clone, Default)]
struct Paths {
    exact: Vec<String>,
    begins: Vec<String>,
    all: bool,
}

impl Paths {
    fn add(&mut self, other: &Self) {
        self.exact.extend_from_slice(&other.exact);
        self.begins.extend_from_slice(&other.begins);
        self.all |= other.all;
    }

    fn cover(&self, path: &str) -> bool {
        self.all
            || self.exact.iter().any(|exact| exact == path)
            || self.begins.iter().any(|begin| path.starts_with(begin.as_str()))
    }
}

/// One section that takes requests.
#[derive(Default)]
struct Section {
    logs: bool,
    lists: HashMap<String, Paths>,
    silent: Paths,
    /// A response is given another level than silence.
    is_loud: bool,
}

/// What is read line by line.
#[derive(Default)]
struct Reading {
    /// The kind of the section that the lines are in.
    kind: String,
    /// Whether the last defaults log, and those with a name.
    defaults: bool,
    named: HashMap<String, bool>,
    /// The name of these defaults.
    name: String,
    sections: Vec<Section>,
    /// Why a frontend that is silent may not be.
    doubt: Option<&'static str>,
}

pub(super) fn read(text: &str, visited: Visited<'_>) -> Logging {
    let mut reading = Reading::default();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first() {
            Some(first) if SECTIONS.contains(first) => reading.section(&words),
            Some(first) if !first.starts_with('#') => reading.line(&words),
            _ => {}
        }
    }
    let Reading { sections, doubt, .. } = reading;
    if sections.is_empty() {
        return Logging::Unknown("no frontend in it takes requests".to_owned());
    }
    let mut logging = sections.iter().filter(|section| section.logs).peekable();
    let doubt = doubt.filter(|_| logging.peek().is_some());
    let on = logging
        .flat_map(|section| visited.routes.iter().filter(|route| !section.silent.cover(route)));
    match (Logging::of(on.map(|route| (*route).to_owned()).collect()), doubt) {
        (Logging::Off, Some(why)) => Logging::Unknown(why.to_owned()),
        (logging, _) => logging,
    }
}

impl Reading {
    fn section(&mut self, words: &[&str]) {
        let [kind, rest @ ..] = words else { return };
        (*kind).clone_into(&mut self.kind);
        let from = rest.iter().position(|word| *word == "from").and_then(|at| rest.get(at + 1));
        // Of defaults that are not there nothing is known: they log.
        let of = |name: &&str| self.named.get(*name).copied().unwrap_or(true);
        match *kind {
            "defaults" => {
                self.defaults = from.is_some_and(of);
                rest.first().copied().unwrap_or_default().clone_into(&mut self.name);
                self.named.insert(self.name.clone(), self.defaults);
            }
            "frontend" | "listen" => {
                let logs = from.map_or(self.defaults, of);
                self.sections.push(Section { logs, ..Section::default() });
            }
            _ => {}
        }
    }

    fn line(&mut self, words: &[&str]) {
        if words.first().is_some_and(|word| word.starts_with('.')) {
            self.doubt = Some("its conditions at the start (.if) are not followed");
        }
        if words.contains(&"do-log") {
            self.doubt = Some("it logs by do-log, which is not followed");
        }
        match (self.kind.as_str(), self.sections.last_mut()) {
            ("defaults", _) => {
                self.defaults = logs(words, self.defaults);
                self.named.insert(self.name.clone(), self.defaults);
            }
            ("frontend" | "listen", Some(section)) => return take(section, words),
            _ => {}
        }
        if is_loud(words) {
            self.doubt = Some("it sets a log level behind its frontends, which is not followed");
        }
    }
}

fn logs(words: &[&str], before: bool) -> bool {
    match words {
        ["log", ..] => true,
        ["no", "log", ..] => false,
        _ => before,
    }
}

/// Whether a rule sets another level than silence.
fn is_loud(words: &[&str]) -> bool {
    let at = words.iter().position(|word| *word == "set-log-level");
    at.is_some_and(|at| words.get(at + 1) != Some(&"silent"))
}

fn take(section: &mut Section, words: &[&str]) {
    section.logs = logs(words, section.logs);
    // The last level holds; a response has the last word.
    if is_loud(words) {
        section.silent = Paths::default();
        section.is_loud |= words.first() != Some(&"http-request");
    }
    match words {
        ["acl", name, rest @ ..] => {
            section.lists.entry((*name).to_owned()).or_default().add(&paths(rest));
        }
        _ if section.is_loud => {}
        ["http-request", "set-log-level", "silent"] => section.silent.all = true,
        ["http-request", "set-log-level", "silent", "if", condition @ ..] => {
            let covered = covered(section, condition);
            section.silent.add(&covered);
        }
        _ => {}
    }
}

/// `path A B` and `path_beg A B`.
fn paths(words: &[&str]) -> Paths {
    let values = |words: &[&str]| {
        let values = words.iter().filter(|word| !word.starts_with('-'));
        values.map(|word| (*word).to_owned()).collect()
    };
    match words {
        ["path", rest @ ..] => Paths { exact: values(rest), ..Paths::default() },
        ["path_beg", rest @ ..] => Paths { begins: values(rest), ..Paths::default() },
        _ => Paths::default(),
    }
}

/// What a condition covers whose parts are joined by `or`.
fn covered(section: &Section, condition: &[&str]) -> Paths {
    let mut covered = Paths::default();
    for part in condition.split(|word| matches!(*word, "or" | "||")) {
        match part {
            ["{", inner @ .., "}"] if !inner.contains(&"{") => covered.add(&paths(inner)),
            [name] => {
                if let Some(paths) = section.lists.get(*name) {
                    covered.add(paths);
                }
            }
            _ => {}
        }
    }
    covered
}
