//! Caddy: a site logs if it has `log`, but for the paths of `log_skip`.
//!
//! What it is not: able to follow `import`, or a `log_skip` that holds only where another block does.
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
    if !whole.passes("reverse_proxy", visited) {
        return Logging::Unknown("no site in it passes requests on".to_owned());
    }
    let sites: Vec<&Statement> = if is_bare {
        vec![&whole]
    } else {
        whole.block.iter().filter(|site| site.passes("reverse_proxy", visited)).collect()
    };
    let (mut on, mut doubt) = (Vec::new(), None);
    for site in sites.iter().filter(|site| site.block.iter().any(|one| one.name() == "log")) {
        let (skipped, is_all_seen) = skipped(site);
        let is_on = |route: &&&str| !skipped.iter().any(|pattern| fits(pattern, route));
        let left: Vec<String> =
            visited.routes.iter().filter(is_on).map(|route| (*route).to_owned()).collect();
        match is_all_seen {
            true => on.extend(left),
            false if left.is_empty() => {}
            false => doubt = Some("its log_skip within other blocks is not followed"),
        }
    }
    // What is written elsewhere may log, or pass requests on.
    let mut is_elsewhere = false;
    walk(&whole, &mut |one| is_elsewhere |= matches!(one.name(), "import" | "invoke"));
    let doubt = doubt.or(is_elsewhere.then_some("its imports are not followed"));
    match doubt {
        Some(why) if on.is_empty() => Logging::Unknown(why.to_owned()),
        _ => Logging::of(on),
    }
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

/// Patterns of the paths that a site leaves out of its log, and whether that is all it leaves out: what
/// stands in another block holds only there.
fn skipped(site: &Statement) -> (Vec<String>, bool) {
    let is_skip = |one: &Statement| matches!(one.name(), "log_skip" | "skip_log");
    let mut patterns = Vec::new();
    for one in site.block.iter().filter(|one| is_skip(one)) {
        match one.arguments() {
            [] => patterns.push("*".to_owned()),
            [matcher] if matcher.starts_with('@') => patterns.extend(paths(site, matcher)),
            [pattern, ..] => patterns.push(pattern.clone()),
        }
    }
    let mut count = 0;
    walk(site, &mut |one| count += usize::from(is_skip(one)));
    (patterns, count == site.block.iter().filter(|one| is_skip(one)).count())
}

/// The paths of a matcher that has nothing but paths.
fn paths(site: &Statement, matcher: &str) -> Vec<String> {
    let mut found = Vec::new();
    for one in site.block.iter().filter(|one| one.name() == matcher) {
        match (one.arguments(), one.block.as_slice()) {
            ([kind, paths @ ..], []) if kind == "path" => found.extend_from_slice(paths),
            ([], [only]) if only.name() == "path" => found.extend_from_slice(only.arguments()),
            _ => {}
        }
    }
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
