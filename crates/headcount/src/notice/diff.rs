//! What changed between two texts, sentence by sentence.
//!
//! What it is not: a comparison of words. Sentences are told apart by their ids.
//!
//! What surprises: a changed title or section shows as nothing; a sentence that moved neither.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Document;

/// A sentence that is not as it was.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) id: String,
    /// Its words before; none: it is new.
    pub(crate) before: Option<String>,
    /// Its words now; none: it is gone.
    pub(crate) now: Option<String>,
}

/// All changes, and the two hashes.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Diff {
    pub(crate) hash_before: String,
    pub(crate) hash_now: String,
    pub(crate) changes: Vec<Change>,
}

/// Compares by ids, in the order of the ids.
pub(crate) fn diff(before: &Document, now: &Document) -> Diff {
    let mut both: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for line in before.lines() {
        both.entry(&line.id).or_default().0 = Some(&line.text);
    }
    for line in now.lines() {
        both.entry(&line.id).or_default().1 = Some(&line.text);
    }
    let changed = both.into_iter().filter(|(_, (before, now))| before != now);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let changes = changed.map(|(id, (before, now))| Change {
        id: id.to_owned(),
        before: owned(before),
        now: owned(now),
    });
    Diff {
        hash_before: before.hash.clone(),
        hash_now: now.hash.clone(),
        changes: changes.collect(),
    }
}

impl Diff {
    /// For people: `+` is new, `-` is gone, both under one id is a change.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("configuration {} -> {}\n", self.hash_before, self.hash_now);
        for change in &self.changes {
            text += &format!("\n{}\n", change.id);
            for (mark, words) in [('-', &change.before), ('+', &change.now)] {
                if let Some(words) = words {
                    text += &format!("{mark} {words}\n");
                }
            }
        }
        if self.changes.is_empty() {
            text += "\nno sentence changed\n";
        }
        text
    }
}
