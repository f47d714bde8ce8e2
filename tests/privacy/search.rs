//! The markers of the tests, and where they were found. The search is the product's
//! (`headcount_audit::search`), which has its own tests.
//!
//! What it is not: what `headcount audit` sends; it draws its markers anew each time.
//!
//! What surprises: files are unpacked, Kafka's segments and ClickHouse's parts too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Markers in text that the sanitiser must take away; a build without it keeps every one.
pub(crate) const TEXTS: [&str; 21] = [
    "kanariegoogle",
    "kanariemeta",
    "kanariemicrosoft",
    "kanariemailchimp",
    "kanariesida",
    "kanariefraga",
    "kanarieankare",
    "kanarieparam",
    "kanarieinnehall",
    "kanariekampanj",
    "kanariemedium",
    "kanariekalla",
    "kanarievag",
    "kanariesokning",
    "kanariemal",
    "kanariesignatur",
    "kanariebrev",
    "kanariehandelse",
    "kanariebild",
    "kanarieanvandare",
    "kanariedoman",
];
/// Markers in what nothing reads, or reads to a family at most.
const UNREAD: [&str; 12] = [
    "KanarieAgent",
    "kanariekaka",
    "kanariesprak",
    "kanarienyckel",
    "kanarieetikett",
    "kanarieplattform",
    "kanariehuvud",
    "kanariefalt",
    "kanarieursprung",
    "kanarienamn",
    "kanarietillagg",
    "kanarievard",
];
/// Addresses of visitors, by a trusted proxy's word and as peers.
const V4: [[u8; 4]; 2] = [[198, 51, 77, 201], [127, 77, 88, 99]];
pub(crate) const V6: &str = "2001:db8:5a5a:c0de:1234::77";
const V6_OCTETS: [u8; 16] =
    [0x20, 1, 0x0d, 0xb8, 0x5a, 0x5a, 0xc0, 0xde, 0x12, 0x34, 0, 0, 0, 0, 0, 0x77];

/// The product's search, for these markers.
pub(crate) struct Search(headcount_audit::search::Search);

impl Search {
    pub(crate) fn new() -> Self {
        Self::of(TEXTS.iter().chain(&UNREAD).copied())
    }

    /// A search for these markers, and for the addresses.
    pub(crate) fn of<'m>(markers: impl IntoIterator<Item = &'m str>) -> Self {
        let mut search = headcount_audit::search::Search::new();
        for marker in markers {
            search.text(marker, marker);
        }
        for octets in V4 {
            search.v4(&octets.map(|octet| octet.to_string()).join("."), octets);
        }
        search.text(V6, V6);
        search.v6(V6, V6_OCTETS);
        Self(search)
    }

    /// The names of the markers in a text, and in what is packed in it.
    pub(crate) fn within(&self, bytes: &[u8]) -> BTreeSet<String> {
        self.0.look(bytes).hits.into_keys().map(|hit| hit.name).collect()
    }
}

/// Markers and the places where they were found.
pub(crate) type Found = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn note(found: &mut Found, search: &Search, place: &str, bytes: &[u8]) {
    for name in search.within(bytes) {
        found.entry(name).or_default().insert(place.to_owned());
    }
}

pub(crate) fn note_files(found: &mut Found, search: &Search, folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            note_files(found, search, &path);
        } else if let Ok(mut file) = std::fs::File::open(&path) {
            let place = path.display().to_string();
            note(found, search, &place, place.as_bytes());
            let look = search.0.look_into(&mut file, &place, u64::MAX).unwrap_or_default();
            for hit in look.hits.into_keys() {
                found.entry(hit.name).or_default().insert(place.clone());
            }
        }
    }
}

/// Whether a text is in a file of a folder, in any form.
pub(crate) fn holds(folder: &Path, text: &str) -> bool {
    let mut search = headcount_audit::search::Search::new();
    search.text(text, text);
    let mut found = Found::new();
    note_files(&mut found, &Search(search), folder);
    !found.is_empty()
}
