//! nginx: the access log of a route is that of the location where its request ends, else of what is
//! around it.
//!
//! What it is not: nginx. What depends on a request (an expression, a variable, a rewrite) is not worked
//! out; where something is logged, that is a doubt.
//!
//! What surprises: `access_log` with a condition, or in an `if`, counts as on: whom it leaves out is not
//! known. A page for errors is a location, too: a beacon that failed may be logged there.

use std::path::Path;

use super::include::{Whole, whole};
use super::{DEPTH_MAX, Logging, Statement, Visited};

pub(super) fn read(text: &str, at: Option<&Path>, visited: Visited<'_>) -> Logging {
    let Whole { statements, unread } = match whole(text, at) {
        Ok(whole) => whole,
        Err(reason) => return Logging::Unknown(reason),
    };
    match (of_statements(&statements, visited), unread.first()) {
        // A log may be switched on where nobody looked.
        (Logging::Off, Some(name)) => {
            Logging::Unknown(format!("it includes {name}, which cannot be read"))
        }
        (logging, _) => logging,
    }
}

fn of_statements(all: &[Statement], visited: Visited<'_>) -> Logging {
    let http = all.iter().filter(|one| one.name() == "http");
    // A file of servers alone is one that is included.
    let around = http.clone().fold(true, |around, http| is_logged(&http.block, around));
    let mut servers: Vec<&Statement> = all.iter().filter(|one| one.name() == "server").collect();
    servers.extend(http.flat_map(|http| http.block.iter().filter(|one| one.name() == "server")));
    servers.retain(|server| server.passes("proxy_pass", visited));
    if servers.is_empty() {
        return Logging::Unknown("no server in it passes requests on".to_owned());
    }
    if all.iter().any(|one| one.name() == "stream" && may_log(one, false)) {
        return Logging::Unknown("its stream logs connections, which are not followed".to_owned());
    }
    let (mut on, mut doubt) = (Vec::new(), None);
    for server in servers {
        let of_server = is_logged(&server.block, around);
        let whole = Server { server, of_server, visited };
        for route in visited.routes {
            match whole.route(route) {
                Log::Off => {}
                Log::On => on.push((*route).to_owned()),
                Log::Doubt(why) => doubt = doubt.or(Some(format!("{why}, for {route}"))),
            }
        }
    }
    match doubt {
        Some(why) if on.is_empty() => Logging::Unknown(why),
        _ => Logging::of(on),
    }
}

/// What becomes of one route.
enum Log {
    Off,
    On,
    /// Something is logged, and whether this is cannot be worked out, because of this.
    Doubt(&'static str),
}

impl Log {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::On, _) | (_, Self::On) => Self::On,
            (Self::Doubt(why), _) | (_, Self::Doubt(why)) => Self::Doubt(why),
            (Self::Off, Self::Off) => Self::Off,
        }
    }
}

struct Server<'a> {
    server: &'a Statement,
    /// What it logs where a location does not say.
    of_server: bool,
    visited: Visited<'a>,
}

impl<'a> Server<'a> {
    fn route(&self, route: &str) -> Log {
        if !may_log(self.server, self.of_server) {
            return Log::Off;
        }
        if is_rewritten(self.server) {
            return Log::Doubt("its rewrites are not followed");
        }
        self.path(self.server, (route, self.of_server), Ending::Passed(0))
    }

    /// A path that is looked for among the locations of a block.
    fn path(&self, within: &'a Statement, (path, around): (&str, bool), ending: Ending) -> Log {
        let Some(ending) = ending.deeper() else { return Log::Doubt("its locations go too deep") };
        match location(within, path) {
            Found::Location(inner) => self.location(inner, (path, around), ending),
            Found::Expression => {
                // Any of them may be the one.
                let mut locations = within.block.iter().filter(|one| one.name() == "location");
                let logs = |one: &Statement| may_log(one, is_logged(&one.block, around));
                match around || locations.any(logs) {
                    true => Log::Doubt("its locations by regular expression are not followed"),
                    false => Log::Off,
                }
            }
            // The server itself says what failed.
            Found::None if around && matches!(ending, Ending::Failed(_)) => Log::On,
            Found::None => self.sent_on(within, (path, around), ending),
        }
    }

    fn location(&self, one: &'a Statement, (path, around): (&str, bool), ending: Ending) -> Log {
        let own = is_logged(&one.block, around);
        if !matches!(location(one, path), Found::None) {
            return self.path(one, (path, own), ending);
        }
        let here = |block: &[Statement], logs: bool| {
            let passes = |it: &Statement| {
                it.name() == "proxy_pass" && !self.visited.is_stats(it.arguments())
            };
            logs && (matches!(ending, Ending::Failed(_)) || block.iter().any(passes))
        };
        let mut log = if here(&one.block, own) { Log::On } else { Log::Off };
        // A condition may hold: what it logs, it logs of what is passed on around it, too.
        let conditions =
            || one.block.iter().filter(|it| matches!(it.name(), "if" | "limit_except"));
        let passes_here = here(&one.block, true);
        for condition in conditions() {
            let logs = is_logged(&condition.block, own);
            if here(&condition.block, logs) || (logs && passes_here) {
                log = Log::On;
            }
        }
        log.or(self.sent_on(one, (path, own), ending))
    }

    /// Where a block sends a request that it does not answer: it ends there, and is logged there.
    fn sent_on(&self, from: &'a Statement, (path, around): (&str, bool), ending: Ending) -> Log {
        let named = |block: &'a Statement, name: &'static str| {
            block.block.iter().filter(move |it| it.name() == name)
        };
        let mut log = Log::Off;
        for tried in named(from, "try_files").filter_map(|it| it.arguments().last()) {
            log = log.or(self.target(tried, (path, around), ending));
        }
        // Those of the server hold in all locations that have none of their own.
        let own: Vec<&Statement> = named(from, "error_page").collect();
        let pages = if own.is_empty() { named(self.server, "error_page").collect() } else { own };
        let failed = matches!(ending, Ending::Failed(_));
        let is_location = from.name() == "location";
        let passes = is_location && from.passes("proxy_pass", self.visited);
        for page in
            pages.iter().filter(|_| passes && !failed).filter_map(|it| it.arguments().last())
        {
            log = log.or(self.target(page, (path, around), Ending::Failed(0)));
        }
        log
    }

    /// A name or path that a request is sent to within the server.
    fn target(&self, to: &str, (path, around): (&str, bool), ending: Ending) -> Log {
        let Some(ending) = ending.deeper() else { return Log::Doubt("its locations go too deep") };
        let to = to.split(['?', '#']).next().unwrap_or_default();
        let is_named = |one: &&Statement| {
            one.name() == "location" && one.arguments().first().is_some_and(|name| name == to)
        };
        if to.starts_with('@') {
            return match self.server.block.iter().find(is_named) {
                Some(named) => self.location(named, (path, self.of_server), ending),
                None => Log::Doubt("it sends requests to a location that is not there"),
            };
        }
        // A status, and another server's address, end it here.
        let is_elsewhere = to.starts_with('=') || to.contains("://");
        match (is_elsewhere, to.starts_with('/') && !to.contains('$')) {
            (true, _) => Log::Off,
            (_, true) => self.path(self.server, (to, self.of_server), ending),
            _ if around || may_log(self.server, self.of_server) => {
                Log::Doubt("a variable says where it sends requests")
            }
            _ => Log::Off,
        }
    }
}

/// How a request ends, and how often it was sent on.
#[derive(Clone, Copy)]
enum Ending {
    /// It is passed on.
    Passed(usize),
    /// It failed; what is said of that is logged, whoever says it.
    Failed(usize),
}

impl Ending {
    fn deeper(self) -> Option<Self> {
        let deeper = match self {
            Self::Passed(depth) if depth < DEPTH_MAX => Self::Passed(depth + 1),
            Self::Failed(depth) if depth < DEPTH_MAX => Self::Failed(depth + 1),
            _ => return None,
        };
        Some(deeper)
    }
}

/// Whether anything in a block logs, when the block itself does so or not.
fn may_log(block: &Statement, own: bool) -> bool {
    own || block.block.iter().any(|inner| may_log(inner, is_logged(&inner.block, false)))
}

/// Whether a path may become another one on its way.
fn is_rewritten(server: &Statement) -> bool {
    let mut found = Vec::new();
    server.all("rewrite", &mut found);
    let is_end = |word: &String| matches!(word.as_str(), "permanent" | "redirect" | "break");
    found.iter().any(|rewrite| !rewrite.arguments().last().is_some_and(is_end))
}

/// Whether a block logs, when what is around it does so or not.
fn is_logged(block: &[Statement], around: bool) -> bool {
    let logs = || block.iter().filter(|one| one.name() == "access_log");
    let is_off = |log: &Statement| log.arguments().first().is_some_and(|first| first == "off");
    if logs().any(is_off) { false } else { logs().next().is_some() || around }
}

enum Found<'a> {
    Location(&'a Statement),
    /// Perhaps one that is given by an expression.
    Expression,
    None,
}

/// The location of a path: the exact one, else the longest prefix.
fn location<'a>(server: &'a Statement, path: &str) -> Found<'a> {
    let mut best: Option<(usize, &Statement, bool)> = None;
    let mut has_expressions = false;
    for location in server.block.iter().filter(|one| one.name() == "location") {
        match location.arguments() {
            [sign, exact] if sign == "=" && exact == path => return Found::Location(location),
            [sign, _] if sign == "=" => {}
            [sign, _] if sign.starts_with('~') => has_expressions = true,
            [prefix] | [_, prefix] if path.starts_with(prefix.as_str()) => {
                let is_final = location.arguments().len() == 2;
                if best.is_none_or(|(length, ..)| prefix.len() > length) {
                    best = Some((prefix.len(), location, is_final));
                }
            }
            _ => {}
        }
    }
    match best {
        Some((_, location, true)) => Found::Location(location),
        _ if has_expressions => Found::Expression,
        Some((_, location, false)) => Found::Location(location),
        None => Found::None,
    }
}
