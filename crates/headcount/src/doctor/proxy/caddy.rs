//! Caddy: a site logs if it has `log`, but for the paths of `log_skip`.
//!
//! What it is not: able to follow `import`.
//!
//! What surprises: `skip_log` is the older name of `log_skip`.

use super::{Ends, Logging, Statement, Visited, parse};

pub(super) fn read(text: &str, visited: Visited<'_>) -> Logging {
    let Some(all) = parse(text, Ends::Line) else {
        return Logging::Unknown("its braces do not match".to_owned());
    };
    // Without braces the file is one site, whose first line is its address.
    let is_bare = !all
        .iter()
        .any(|one| one.name() != "reverse_proxy" && one.passes("reverse_proxy", visited));
    let whole = Statement { words: vec!["site".to_owned()], block: all };
    let sites: Vec<&Statement> = if is_bare {
        vec![&whole]
    } else {
        whole.block.iter().filter(|site| site.passes("reverse_proxy", visited)).collect()
    };
    let mut on = Vec::new();
    for site in sites {
        if site.block.iter().any(|one| one.name() == "import") {
            return Logging::Unknown("its imports are not followed".to_owned());
        }
        if site.block.iter().any(|one| one.name() == "log") {
            let skipped = skipped(site);
            let is_on = |route: &&&str| !skipped.iter().any(|pattern| fits(pattern, route));
            on.extend(visited.routes.iter().filter(is_on).map(|route| (*route).to_owned()));
        }
    }
    Logging::of(on)
}

/// Whether a site that visitors come to has TLS: one with a name has, unless `http://` says otherwise.
pub(super) fn has_tls(text: &str, visited: Visited<'_>) -> bool {
    let all = parse(text, Ends::Line).unwrap_or_default();
    let passes =
        |one: &&Statement| one.name() != "reverse_proxy" && one.passes("reverse_proxy", visited);
    let mut sites: Vec<&Statement> = all.iter().filter(passes).collect();
    if sites.is_empty() {
        sites.extend(all.first());
    }
    let is_plain = |address: &str| {
        address.starts_with("http://") || (address.starts_with(':') && address != ":443")
    };
    sites.iter().any(|site| !is_plain(site.name()))
}

/// Patterns of the paths that a site leaves out of its log.
fn skipped(site: &Statement) -> Vec<String> {
    let mut patterns = Vec::new();
    walk(site, &mut |one| {
        if matches!(one.name(), "log_skip" | "skip_log") {
            match one.arguments() {
                [] => patterns.push("*".to_owned()),
                [matcher] if matcher.starts_with('@') => patterns.extend(paths(site, matcher)),
                [pattern, ..] => patterns.push(pattern.clone()),
            }
        }
    });
    patterns
}

/// The paths of a matcher that has nothing but paths.
fn paths(site: &Statement, matcher: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(site, &mut |one| {
        if one.name() != matcher {
            return;
        }
        match (one.arguments(), one.block.as_slice()) {
            ([kind, paths @ ..], []) if kind == "path" => found.extend_from_slice(paths),
            ([], [only]) if only.name() == "path" => found.extend_from_slice(only.arguments()),
            _ => {}
        }
    });
    found
}

fn walk<'a>(from: &'a Statement, visit: &mut impl FnMut(&'a Statement)) {
    for one in &from.block {
        visit(one);
        walk(one, visit);
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}
