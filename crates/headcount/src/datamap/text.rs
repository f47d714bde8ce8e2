//! The map for people: Markdown, and lines.
//!
//! What it is not: JSON, which is the map itself.
//!
//! What surprises: nothing.

use std::fmt::Write as _;

use super::Map;
use super::compare::Difference;
use super::place::Place;

/// The map as a page.
pub(super) fn markdown(map: &Map) -> String {
    let mut page = String::from("# Where data lives\n");
    for place in &map.places {
        let Place { name, holds, life, readers, .. } = place;
        page += &format!("\n## {name}\n\n{holds}\n\n- Kept: {life}\n- Read by: {readers}\n");
        if !place.fields.is_empty() || !place.files.is_empty() {
            page += "\n| what | is |\n|---|---|\n";
        }
        for [name, meaning] in place.fields.iter().chain(&place.files) {
            page += &format!("| {name} | {meaning} |\n");
        }
        if !place.tables.is_empty() {
            page += "\n| table | columns |\n|---|---|\n";
        }
        for table in &place.tables {
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|[name, _, meaning]| format!("`{name}` {meaning}"))
                .collect();
            page += &format!("| `{}` | {} |\n", table.name, columns.join("; "));
        }
    }
    page += "\n## Compared with what is there\n\n";
    if map.differences.is_empty() {
        page += "No difference: every file, table, column, topic and group that is there is in this map.\n";
    }
    if !map.folder_is_here {
        page += "The data folder is not on this machine, and was not looked at.\n";
    }
    page + &lines(&map.differences)
}

/// A line for each difference.
pub(super) fn lines(differences: &[Difference]) -> String {
    differences.iter().fold(String::new(), |mut lines, Difference { place, what, .. }| {
        // Writing to a string does not fail.
        writeln!(lines, "- {place}: {what}").ok();
        lines
    })
}

/// The tables that may be, a line a column.
pub(super) fn tables(places: &[Place]) -> String {
    let mut lines = String::new();
    for place in places {
        for table in &place.tables {
            for [name, kind, meaning] in &table.columns {
                let column = format!("{}.{}.{name}", place.id, table.name);
                writeln!(lines, "{column:44} {kind:24} {meaning}").ok();
            }
        }
    }
    lines
}
