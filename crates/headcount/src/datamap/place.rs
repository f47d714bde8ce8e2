//! The places where data lives, as the configuration makes them.
//!
//! What it is not: what is there; see `found`.
//!
//! What surprises: it is data (`map.toml`), and a test holds a fresh deployment to it, so a new table
//! or file cannot be forgotten.

use headcount_collector::release::ReleaseRule;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::notice::Mode;

/// The closed list.
const MAP: &str = include_str!("map.toml");

/// What kind of place it is, and so how it can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Of a process.
    Memory,
    /// A folder.
    Files,
    /// An SQLite file.
    Sqlite,
    /// A topic of Kafka.
    Topic,
    /// A database of ClickHouse.
    Clickhouse,
    /// Where Headcount cannot look.
    Outside,
}

/// A place.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// Its name for programs.
    pub(super) id: String,
    /// Its name for people.
    pub(super) name: String,
    #[serde(skip_serializing)]
    modes: Vec<String>,
    /// How it can be looked at.
    pub(super) kind: Kind,
    /// What lies there.
    pub(super) holds: String,
    /// How long.
    pub(super) life: String,
    /// Who can read it.
    pub(super) readers: String,
    /// Name and meaning of what has no table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<[String; 2]>,
    /// Name and meaning of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<[String; 2]>,
    /// Tables and views.
    #[serde(default, rename = "table", skip_serializing_if = "Vec::is_empty")]
    pub(super) tables: Vec<Table>,
}

/// A table or view.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: String,
    /// Name, type and meaning.
    pub(super) columns: Vec<[String; 3]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    place: Vec<Place>,
}

/// The places of a configuration.
pub(super) fn places(config: &Config, mode: Mode) -> Vec<Place> {
    let map = toml::from_str::<Places>(MAP);
    // Without a place there would be nothing to differ from.
    let all = map.expect("the map is part of the program, and its tests read it").place;
    let word = match mode {
        Mode::Embedded => "embedded",
        Mode::Cluster => "cluster",
    };
    let mut places: Vec<Place> =
        all.into_iter().filter(|place| place.modes.iter().any(|mode| mode == word)).collect();
    for place in &mut places {
        for text in [&mut place.name, &mut place.holds, &mut place.life, &mut place.readers] {
            *text = filled(text, config);
        }
    }
    places
}

/// When pages and attributes leave the edge, and how attributes travel.
fn ways(config: &Config) -> [String; 3] {
    let ReleaseRule { crowd, admission } = config.release;
    let pages = match (admission, config.visitors) {
        (false, _) => "pages and clicks within a second",
        (true, true) => {
            "pages and clicks of listed names within a second, of others when three visitors have asked \
             for the page or the UTC day is over"
        }
        (true, false) => {
            "pages and clicks of listed names within a second, of others when the UTC day is over"
        }
    };
    let [leave, travel] = match (config.visitors, crowd) {
        (false, _) => {
            ["attributes when the UTC day is over", "attributes as sums of a whole UTC day"]
                .map(str::to_owned)
        }
        (true, 1) => ["attributes within a second", "attributes of a single visit side by side"]
            .map(str::to_owned),
        (true, _) => [
            format!("attributes when {crowd} visitors are among them or the UTC day is over"),
            format!(
                "attributes as sums of at least {crowd} visitors, the last one of a UTC day of those who were left"
            ),
        ],
    };
    [pages.to_owned(), leave, travel]
}

/// A text with the settings that it quotes.
fn filled(text: &str, config: &Config) -> String {
    let said = |key: &str, days: u32| match days {
        0 => format!("Not said in the settings (notice.{key})."),
        days => format!("{days} days (notice.{key})."),
    };
    let backups = said("backup_days", config.notice.backup_days);
    let logs = said("log_days", config.notice.log_days);
    let kafka = config.kafka.as_ref();
    let [pages_leave, attributes_leave, attributes_travel] = ways(config);
    let quotes = [
        ("{data_dir}", config.data_dir.display().to_string()),
        ("{ops_listen}", config.ops_listen.to_string()),
        ("{retention_days}", config.retention_days.to_string()),
        ("{pages_leave}", pages_leave),
        ("{attributes_leave}", attributes_leave),
        ("{attributes_travel}", attributes_travel),
        ("{k}", config.k.to_string()),
        ("{backup_days}", backups),
        ("{log_days}", logs),
        ("{topic}", kafka.map(|kafka| kafka.topic.clone()).unwrap_or_default()),
        ("{group}", kafka.map(|kafka| kafka.group.clone()).unwrap_or_default()),
        (
            "{database}",
            config.clickhouse.as_ref().map(|it| it.database.clone()).unwrap_or_default(),
        ),
    ];
    quotes.iter().fold(text.to_owned(), |text, (quote, value)| text.replace(quote, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of names that no column of counts may have.
    const PERSONAL: [&str; 27] = [
        "ip",
        "addr",
        "address",
        "visitor",
        "person",
        "age",
        "birth",
        "birthday",
        "user",
        "client",
        "session",
        "cookie",
        "agent",
        "ua",
        "fingerprint",
        "device",
        "email",
        "mail",
        "phone",
        "lat",
        "lon",
        "city",
        "region",
        "query",
        "referrer",
        "mark",
        "token",
    ];
    /// Types that could hold an address or a drawn number.
    const WIDE: [&str; 6] = ["IPv4", "IPv6", "UUID", "UInt128", "FixedString", "BLOB"];
    /// Columns of such a type, each with its reason in the map.
    const BLOBS: [&str; 8] = [
        "edge.db.journal.increments",
        "edge.db.cells.cell",
        "edge.db.cells.counts",
        "edge.db.outbox.payload",
        "counts.db.imports.digest",
        "counts.db.imports.waymarks",
        "control.db.tokens.hash",
        "control.db.admin_log.hash",
    ];

    fn all() -> Vec<Place> {
        toml::from_str::<Places>(MAP).unwrap().place
    }

    #[test]
    fn no_column_could_hold_an_address_or_a_visitor() {
        let mut wide = Vec::new();
        for place in all() {
            for table in &place.tables {
                for [name, kind, _] in &table.columns {
                    let personal = name.split('_').find(|word| PERSONAL.contains(word));
                    assert_eq!(personal, None, "{}.{}.{name}", place.id, table.name);
                    if WIDE.iter().any(|word| kind.contains(word)) {
                        wide.push(format!("{}.{}.{name}", place.id, table.name));
                    }
                }
            }
        }
        assert_eq!(wide, BLOBS);
    }

    #[test]
    fn no_table_has_two_attributes() {
        let attributes: Vec<&str> =
            headcount_core::cell::Attribute::ALL.iter().map(|it| it.as_str()).collect();
        for place in all() {
            for table in &place.tables {
                let named = table
                    .columns
                    .iter()
                    .filter(|[name, ..]| attributes.contains(&name.as_str()) || name == "value");
                assert!(named.count() <= 1, "{}.{}", place.id, table.name);
            }
        }
    }

    #[test]
    fn the_edge_says_when_names_and_attributes_leave() {
        let edge = |settings: &str| {
            let config = Config::of_text(settings).unwrap();
            let places = places(&config, Mode::of(&config));
            places.into_iter().find(|place| place.id == "edge.db").unwrap().life
        };
        let standard = edge("");
        assert!(standard.contains("within a second; attributes when 8 visitors"), "{standard}");
        let strict = edge("preset = \"strict\"");
        assert!(strict.contains("three visitors") && strict.contains("20 visitors"), "{strict}");
        let off = edge("preset = \"strict\"\nvisitors = \"off\"");
        assert!(!off.contains("visitors are") && !off.contains("three"), "{off}");
        assert!(edge("crowd = 1").contains("attributes within a second"));
    }

    #[test]
    fn every_quote_is_filled_in() {
        for cluster in
            ["", "[kafka]\nbrokers = [\"k:9092\"]\n[clickhouse]\nurl = \"http://c:8123\"\n"]
        {
            let config = Config::of_text(cluster).unwrap();
            for place in places(&config, Mode::of(&config)) {
                for text in [&place.name, &place.holds, &place.life, &place.readers] {
                    assert!(!text.contains('{') && !text.trim().is_empty(), "{}: {text}", place.id);
                }
            }
        }
    }
}
