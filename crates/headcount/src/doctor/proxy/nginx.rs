//! nginx: the access log of a route is that of its location, else of what is around it.
//!
//! What it is not: nginx. What depends on a request (a condition, an expression) is not worked out.
//!
//! What surprises: `access_log` with a condition counts as on: whom it leaves out is not known.

use std::path::Path;

use super::include::{Whole, whole};
use super::{Logging, Statement, Visited};

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
    let mut on = Vec::new();
    for server in servers {
        let of_server = is_logged(&server.block, around);
        for route in visited.routes {
            match location(server, route) {
                Found::Location(location) if !location.passes("proxy_pass", visited) => {}
                Found::Location(location) if is_logged(&location.block, of_server) => {
                    on.push((*route).to_owned());
                }
                Found::Location(_) | Found::None => {}
                Found::Expression if of_server => {
                    return Logging::Unknown(format!(
                        "its locations by regular expression are not followed, for {route}"
                    ));
                }
                Found::Expression => {}
            }
        }
    }
    Logging::of(on)
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
