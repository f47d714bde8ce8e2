//! The search for markers: what is looked for, in which forms, and where it was found.
//!
//! What it is not: a reader of compressed files; who searches one unpacks it first.
//!
//! What surprises: a marker of four bytes has four needles and more, so a place is looked at by
//! its first two bytes before anything else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Markers in text that the sanitiser must take away; a build without it keeps every one.
pub(crate) const TEXTS: [&str; 17] = [
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

/// Needles by their first four bytes.
pub(crate) struct Search {
    needles: HashMap<[u8; 4], Vec<(Vec<u8>, String)>>,
    /// Which pairs of bytes begin a needle.
    begins: Vec<bool>,
}

impl Search {
    pub(crate) fn new() -> Self {
        Self::of(TEXTS.iter().chain(&UNREAD).copied())
    }

    /// A search for these markers, and for the addresses.
    pub(crate) fn of<'m>(markers: impl IntoIterator<Item = &'m str>) -> Self {
        let mut search = Self { needles: HashMap::new(), begins: vec![false; 1 << 16] };
        for marker in markers {
            search.text(marker, marker);
        }
        for octets in V4 {
            let [a, b, c, d] = octets;
            let name = format!("{a}.{b}.{c}.{d}");
            search.text(&name, &name);
            search.text(&name, &format!("{a}.{b}.{c}.0"));
            search.text(&name, &format!("{d}.{c}.{b}.{a}"));
            search.needle(&name, &octets);
            search.needle(&name, &[d, c, b, a]);
            search.text(&name, &format!("{a:02x}{b:02x}{c:02x}{d:02x}"));
            search.text(&name, &u32::from_be_bytes(octets).to_string());
        }
        search.text(V6, V6);
        search.text(V6, "2001:db8:5a5a");
        search.needle(V6, &[0x20, 0x01, 0x0d, 0xb8, 0x5a, 0x5a]);
        search
    }

    /// A text in every form in which it could have been written down.
    fn text(&mut self, name: &str, text: &str) {
        let bytes = text.as_bytes();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let percent: String = bytes.iter().map(|b| format!("%{b:02x}")).collect();
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        let wide: Vec<u8> = bytes.iter().flat_map(|b| [*b, 0]).collect();
        self.needle(name, bytes);
        self.needle(name, text.to_ascii_lowercase().as_bytes());
        self.needle(name, text.to_ascii_uppercase().as_bytes());
        for form in [hex, percent] {
            self.needle(name, form.as_bytes());
            self.needle(name, form.to_ascii_uppercase().as_bytes());
        }
        self.needle(name, &reversed);
        self.needle(name, &wide);
        for shift in 0..3 {
            self.needle(name, base64_inside(bytes, shift).as_bytes());
        }
    }

    fn needle(&mut self, name: &str, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<4>() {
            self.begins[pair(bytes[0], bytes[1])] = true;
            self.needles.entry(*first).or_default().push((bytes.to_vec(), name.to_owned()));
        }
    }

    /// The names of the markers in a text.
    pub(crate) fn within(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, two) in bytes.windows(2).enumerate() {
            if !self.begins[pair(two[0], two[1])] {
                continue;
            }
            let rest = &bytes[at..];
            let Some(first) = rest.first_chunk::<4>() else { break };
            let hits = self.needles.get(first).into_iter().flatten();
            found.extend(hits.filter(|(n, _)| rest.starts_with(n)).map(|(_, name)| name.clone()));
        }
        found
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// The part of a base64 text that is the same whatever stands around, `shift` bytes after a
/// group's beginning.
fn base64_inside(bytes: &[u8], shift: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let skip = (3 - shift) % 3;
    let groups = bytes.get(skip..).unwrap_or_default().chunks_exact(3);
    groups
        .flat_map(|g| {
            let bits = u32::from(g[0]) << 16 | u32::from(g[1]) << 8 | u32::from(g[2]);
            [18, 12, 6, 0].map(|at| char::from(DIGITS[(bits >> at & 63) as usize]))
        })
        .collect()
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
        } else if let Ok(bytes) = std::fs::read(&path) {
            note(found, search, &path.display().to_string(), path.display().to_string().as_bytes());
            note(found, search, &path.display().to_string(), &bytes);
        }
    }
}

/// Whether a text is in a file of a folder, as it is written.
pub(crate) fn holds(folder: &Path, text: &str) -> bool {
    let mut search = Search { needles: HashMap::new(), begins: vec![false; 1 << 16] };
    search.needle(text, text.as_bytes());
    let mut found = Found::new();
    note_files(&mut found, &search, folder);
    !found.is_empty()
}

#[test]
fn the_search_finds_every_form() {
    let search = Search::new();
    for text in
        ["xkanariesida", "KANARIESIDA", "6b616e6172696573696461", "198.51.77.201", "99.88.77.127"]
    {
        assert_eq!(search.within(text.as_bytes()).len(), 1, "{text}");
    }
    for text in ["a2FuYXJpZXNpZGE=", "eGthbmFyaWVzaWRh", "eHhrYW5hcmllc2lkYQ=="] {
        assert!(search.within(text.as_bytes()).contains("kanariesida"), "{text}");
    }
}
