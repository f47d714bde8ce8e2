//! What is there beside what the map says.
//!
//! What it is not: a look anywhere; see `found`.
//!
//! What surprises: what the map has and nobody made yet is no difference. A deployment grows into
//! its map; it may not grow beyond it.

use std::collections::BTreeSet;

use headcount_store::shape::Column;
use headcount_transport::kafka::neighbours::Neighbours;
use headcount_transport::kafka::topic::Life;
use serde::Serialize;

use super::found::{Found, Look};
use super::is_known_file;
use super::place::{Kind, Place, Table};

/// Endings of the files that SQLite lays beside its own.
pub(super) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Something that is not as the map has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// The id of the place.
    pub(super) place: String,
    /// What is different.
    pub(super) what: String,
    #[serde(skip)]
    of_tables: bool,
}

impl Difference {
    /// Whether it is one of tables, columns or rows.
    pub(super) fn is_of_tables(&self) -> bool {
        self.of_tables
    }
}

/// Every difference, in the order of the places.
pub(super) fn differences(places: &[Place], found: &Found) -> Vec<Difference> {
    places.iter().flat_map(|place| of_place(place, found)).collect()
}

fn of_place(place: &Place, found: &Found) -> Vec<Difference> {
    // Where no database was looked at, nothing was found out about tables.
    let is_bare = place.kind == Kind::Files && found.tables.is_empty();
    let of_tables = matches!(place.kind, Kind::Sqlite | Kind::Clickhouse) || is_bare;
    let whats = match place.kind {
        Kind::Files => {
            let mut whats = looked(&found.files, |names| of_files(place, names));
            if is_bare && found.files.is_ok() {
                whats.push("was not looked at: there is no database in it".to_owned());
            }
            whats
        }
        Kind::Sqlite | Kind::Clickhouse => {
            let tables = found.tables.iter().find(|(id, _)| *id == place.id);
            let rows = found.odd_rows.iter().find(|(id, _)| *id == place.id);
            let tables = tables.map(|(_, look)| looked(look, |columns| of_columns(place, columns)));
            let rows = rows.map(|(_, look)| looked(look, |count| of_rows(*count)));
            let mut whats = tables.unwrap_or_default();
            whats.extend(rows.unwrap_or_default());
            whats.dedup();
            whats
        }
        Kind::Topic => match (&found.topic, &found.ours) {
            (Some(look), Some((topic, group))) => {
                let mut whats = looked(look, |found| of_neighbours(topic, group, found));
                let life = found.topic_life.as_ref();
                whats.extend(life.into_iter().flat_map(|look| looked(look, |it| of_life(*it))));
                whats.dedup();
                whats
            }
            _ => Vec::new(),
        },
        Kind::Memory | Kind::Outside => Vec::new(),
    };
    let difference = |what| Difference { place: place.id.clone(), what, of_tables };
    whats.into_iter().map(difference).collect()
}

/// What of an answer is different; where there was none, that.
fn looked<T>(look: &Look<T>, compare: impl FnOnce(&T) -> Vec<String>) -> Vec<String> {
    match look {
        Ok(found) => compare(found),
        Err(why) => vec![format!("was not looked at: {why}")],
    }
}

fn of_files(place: &Place, names: &[String]) -> Vec<String> {
    let known: Vec<String> = place.files.iter().map(|[file, _]| file.clone()).collect();
    names
        .iter()
        .filter(|name| !is_known_file(&known, name))
        .map(|name| format!("the file {name:?} is there and not in the map"))
        .collect()
}

fn of_columns(place: &Place, columns: &[Column]) -> Vec<String> {
    let mut unknown = BTreeSet::new();
    let mut whats = Vec::new();
    for column in columns {
        let Column { table, name, kind } = column;
        let Some(known) = place.tables.iter().find(|it| it.name == *table) else {
            unknown.insert(table);
            continue;
        };
        match known.columns.iter().find(|[column, ..]| column == name) {
            None => whats.push(format!("{table}.{name} ({kind}) is there and not in the map")),
            Some([_, expect, _]) if !is_kind(expect, kind) => {
                whats.push(format!("{table}.{name} is {kind}, and {expect} in the map"));
            }
            Some(_) => {}
        }
    }
    let tables =
        unknown.iter().map(|table| format!("the table {table} is there and not in the map"));
    let missing = place.tables.iter().flat_map(|table| missing(table, columns));
    tables.chain(whats.clone()).chain(missing).collect()
}

/// Columns that a table lacks that is there.
fn missing(table: &Table, columns: &[Column]) -> Vec<String> {
    let of_table: Vec<&Column> = columns.iter().filter(|it| it.table == table.name).collect();
    let lacks = |name: &str| !of_table.is_empty() && of_table.iter().all(|it| it.name != name);
    table
        .columns
        .iter()
        .filter(|[name, ..]| lacks(name))
        .map(|[name, ..]| format!("{}.{name} is in the map and not there", table.name))
        .collect()
}

/// An enumeration is told with its words. The type of a view's column may be untold.
fn is_kind(expect: &str, found: &str) -> bool {
    expect.is_empty() || expect == found || found.split('(').next() == Some(expect)
}

fn of_rows(count: u64) -> Vec<String> {
    match count {
        0 => Vec::new(),
        count => {
            vec![format!("{count} rows say what no count says, such as two attributes at once")]
        }
    }
}

fn of_neighbours(topic: &str, group: &str, found: &Neighbours) -> Vec<String> {
    // One that was named after it: a copy, or what could not be read.
    let kin = |name: &&String| {
        name.strip_prefix(topic).is_some_and(|rest| rest.starts_with(['-', '.', '_']))
    };
    let topics = found.topics.iter().filter(kin);
    let topics = topics.map(|name| format!("the topic {name} is there and not in the map"));
    let groups = found.groups.iter().filter(|name| *name != group);
    let groups = groups.map(|name| format!("the consumer group {name} reads {topic}, too"));
    topics.chain(groups).collect()
}

fn of_life(life: Life) -> Vec<String> {
    life.excess().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::datamap::place::places;
    use crate::notice::Mode;

    fn column(table: &str, name: &str, kind: &str) -> Column {
        Column { table: table.to_owned(), name: name.to_owned(), kind: kind.to_owned() }
    }

    fn whats(found: &Found, settings: &str) -> Vec<String> {
        let config = Config::of_text(settings).unwrap();
        let places = places(&config, Mode::of(&config));
        differences(&places, found)
            .into_iter()
            .map(|it| format!("{}: {}", it.place, it.what))
            .collect()
    }

    fn nothing() -> Found {
        Found {
            files: Ok(Vec::new()),
            tables: vec![("control.db", Ok(Vec::new()))],
            odd_rows: Vec::new(),
            topic: None,
            topic_life: None,
            ours: None,
        }
    }

    #[test]
    fn what_is_not_in_the_map_is_told() {
        let all = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
        let mut found = nothing();
        assert_eq!(whats(&found, ""), Vec::<String>::new());
        found.files = all(&["counts.db", "counts.db-wal", "edge.db-shm", "hits.log"]);
        found.tables = vec![(
            "control.db",
            Ok(vec![
                column("sites", "host", "TEXT"),
                column("sites", "added_day", "TEXT"),
                column("sites", "ip", "TEXT"),
                column("people", "name", "TEXT"),
                column("erasures", "host", "TEXT"),
            ]),
        )];
        found.odd_rows = vec![("counts.db", Ok(2))];
        assert_eq!(
            whats(&found, ""),
            [
                "folder: the file \"hits.log\" is there and not in the map",
                "counts.db: 2 rows say what no count says, such as two attributes at once",
                "control.db: the table people is there and not in the map",
                "control.db: sites.added_day is TEXT, and INTEGER in the map",
                "control.db: sites.ip (TEXT) is there and not in the map",
                "control.db: erasures.asked_day is in the map and not there",
                "control.db: erasures.done is in the map and not there",
            ]
        );
    }

    #[test]
    fn where_nothing_was_looked_at_nothing_is_as_it_may_be() {
        let bare = || Found { tables: Vec::new(), ..nothing() };
        let of_tables = |found: &Found| {
            let config = Config::of_text("").unwrap();
            let all = differences(&places(&config, Mode::of(&config)), found);
            all.iter().filter(|it| it.is_of_tables()).map(|it| it.what.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of_tables(&bare()), ["was not looked at: there is no database in it"]);
        let away = Found { files: Err("no such folder".to_owned()), ..bare() };
        assert_eq!(of_tables(&away), ["was not looked at: no such folder"]);
        assert_eq!(of_tables(&nothing()), Vec::<String>::new());
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let found = |folder: &str, more: &str| {
            Found::of(&Config::of_text(&format!("data_dir = \"{folder}\"\n{more}")).unwrap())
        };
        assert!(found(&at("none"), "").files.is_err(), "another folder was meant");
        assert!(found(&at(""), "").files.is_ok());
        // A file where the folder should be: what is in it cannot be reached.
        std::fs::write(at("file"), "").unwrap();
        let unreachable = found(&at("file"), "");
        assert!(unreachable.files.is_err() && unreachable.tables.iter().all(|it| it.1.is_err()));
    }

    #[test]
    fn what_did_not_answer_is_told() {
        let settings = "[kafka]\nbrokers = [\"k:9092\"]\n[clickhouse]\nurl = \"http://c:8123\"\n";
        let mut found = nothing();
        found.files = Err("permission denied".to_owned());
        found.tables = vec![("clickhouse", Err("no answer".to_owned()))];
        found.odd_rows = vec![("clickhouse", Err("no answer".to_owned()))];
        found.topic = Some(Err("nobody there".to_owned()));
        found.ours = Some(("headcount".to_owned(), "aggregators".to_owned()));
        assert_eq!(
            whats(&found, settings),
            [
                "folder: was not looked at: permission denied",
                "topic: was not looked at: nobody there",
                "clickhouse: was not looked at: no answer",
            ]
        );
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        found.topic = Some(Ok(Neighbours {
            topics: names(&["billing", "headcount", "headcount-raw"]),
            groups: names(&["aggregators", "curious"]),
        }));
        let said = whats(&found, settings).join("\n");
        assert!(said.contains("the topic headcount-raw is there"), "{said}");
        assert!(said.contains("the consumer group curious reads headcount, too"), "{said}");
        assert!(!said.contains("billing") && !said.contains("group aggregators"), "{said}");
        let week = 604_800_000;
        found.topic_life = Some(Ok(Life { retention_ms: None, segment_ms: week, ahead_ms: None }));
        let said = whats(&found, settings).join("\n");
        assert!(said.contains("topic: keeps records for ever"), "{said}");
    }

    #[test]
    fn an_enumeration_may_tell_its_words() {
        assert!(is_kind("Enum8", "Enum8('site' = 1)") && is_kind("", "TEXT"));
        assert!(!is_kind("String", "IPv4") && !is_kind("Int64", "UInt64"));
    }
}
