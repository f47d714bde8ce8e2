//! A page of the site: does what it does fit what the notice says of the device and of others?
//!
//! What it is not: a scan for consent. One answer is looked at, before any script has run.
//!
//! What surprises: the notice speaks of Headcount alone. A reader takes it for the whole page.

use std::collections::BTreeSet;

use super::{Facts, Level, Said, not_tested, ok, some};
use crate::doctor::page::Seen;

/// What was seen of the page, with its address.
fn seen(facts: &Facts) -> Option<(&str, &Seen)> {
    let page = facts.page.as_ref()?;
    Some((&page.name, page.look.as_ref().ok()?))
}

fn listed(names: &BTreeSet<String>) -> String {
    some(&names.iter().cloned().collect::<Vec<_>>())
}

pub(super) fn cookies(facts: &Facts) -> Option<Said> {
    if let Some((name, Err(why))) = facts.page.as_ref().map(|page| (&page.name, &page.look)) {
        let mend = "headcount doctor --page https://example.org/";
        return Some(not_tested(&format!("{name}: {why}"), mend));
    }
    let (name, Seen { cookies, .. }) = seen(facts)?;
    if cookies.is_empty() {
        return Some(ok(&format!("{name} sets no cookie by its answer")));
    }
    Some((
        Level::Weakens,
        format!("{name} sets cookies: {}", listed(cookies)),
        "the notice says that nothing is stored on the device, and is read as if it spoke of the page",
        "let the page set none, or name them in your privacy notice beside that of headcount",
    ))
}

pub(super) fn others(facts: &Facts) -> Option<Said> {
    let (name, Seen { code, files, .. }) = seen(facts)?;
    Some(if !code.is_empty() {
        (
            Level::Weakens,
            format!("{name} has scripts or frames of others: {}", listed(code)),
            "they learn each visitor's address and page, and may store and read on the device",
            "leave them out, or name them in your privacy notice beside that of headcount",
        )
    } else if !files.is_empty() {
        (
            Level::Advice,
            format!("{name} has images or linked files of others: {}", listed(files)),
            "they learn each visitor's address, and mostly the page",
            "serve them from the site itself",
        )
    } else {
        ok(&format!("{name} names no script, frame, image or linked file of others"))
    })
}

pub(super) fn snippet(facts: &Facts) -> Option<Said> {
    let (name, seen) = seen(facts)?;
    Some(if seen.has_snippet {
        ok(&format!("{name} carries the script or the image"))
    } else {
        (
            Level::Advice,
            format!("{name} carries neither the script nor the image"),
            "it is not counted, unless by its log or another tool's tracker",
            "put the lines into it that headcount up prints",
        )
    })
}
