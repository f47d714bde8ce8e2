//! HAProxy: a frontend logs if it, or the defaults, say `log`, but for what is set silent.
//!
//! What it is not: able to weigh conditions; one that needs two things at once counts as none.
//!
//! What surprises: `option dontlog-normal` still logs what failed, with address and path.

use std::collections::HashMap;

use super::{Logging, Visited};

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
}

pub(super) fn read(text: &str, visited: Visited<'_>) -> Logging {
    let mut default_logs = false;
    let mut kind = String::new();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first().filter(|word| !word.starts_with('#')) else { continue };
        if matches!(*first, "global" | "defaults" | "frontend" | "listen" | "backend" | "peers") {
            (*first).clone_into(&mut kind);
            if matches!(*first, "frontend" | "listen") {
                sections.push(Section { logs: default_logs, ..Section::default() });
            }
            continue;
        }
        match (kind.as_str(), sections.last_mut()) {
            ("defaults", _) => default_logs = logs(&words, default_logs),
            ("frontend" | "listen", Some(section)) => take(section, &words),
            _ => {}
        }
    }
    if sections.is_empty() {
        return Logging::Unknown("no frontend in it takes requests".to_owned());
    }
    let logging = sections.iter().filter(|section| section.logs);
    let on = logging
        .flat_map(|section| visited.routes.iter().filter(|route| !section.silent.cover(route)));
    Logging::of(on.map(|route| (*route).to_owned()).collect())
}

fn logs(words: &[&str], before: bool) -> bool {
    match words {
        ["log", ..] => true,
        ["no", "log", ..] => false,
        _ => before,
    }
}

fn take(section: &mut Section, words: &[&str]) {
    section.logs = logs(words, section.logs);
    match words {
        ["acl", name, rest @ ..] => {
            section.lists.entry((*name).to_owned()).or_default().add(&paths(rest));
        }
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
