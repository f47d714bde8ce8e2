//! The search for markers: what is looked for, in which forms, and where it was found.
//!
//! What it is not: a regular expression. Forms are compared byte by byte.
//!
//! What surprises: there are thousands of forms, so a place is looked at by its first two bytes
//! before anything else; and a stream is read in pieces that overlap by the longest form.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Seek, SeekFrom};

use crate::forms::{Form, of_text, of_v4, of_v6};
use crate::unpack::{self, Kind};

/// Bytes of a stream that are held at once.
const PIECE_BYTES: usize = 1 << 20;
/// A form shorter than this is not looked for: it would be found by chance.
const FORM_BYTES_MIN: usize = 4;
/// Packed parts of one artefact that are unpacked.
const PACKED_MAX: usize = if cfg!(test) { 200 } else { 200_000 };
/// Bytes that one packed part may unpack to.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// Bytes that all packed parts of one artefact may unpack to.
const ALL_UNPACKED_BYTES_MAX: u64 = 8 << 30;
/// A part that breaks off behind so many bytes was packed; one that does so before only looked so.
const PACKED_BYTES_MIN: u64 = 4 << 10;

/// What was found: a marker's name and the form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// The marker's name.
    pub name: String,
    /// Its form, one of [`crate::forms::NAMES`].
    pub form: &'static str,
}

/// Hits and how often.
pub type Hits = BTreeMap<Hit, u64>;

/// What a look at an artefact came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Bytes that were searched, unpacked ones too.
    pub bytes: u64,
    /// Bytes that were not: there were too many, or nobody here can unpack them. A packed part counts
    /// as one: how much is in it nobody knows.
    pub skipped: u64,
    /// What was found.
    pub hits: Hits,
}

impl Look {
    /// Adds another look to this one.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.skipped += other.skipped;
        for (hit, count) in other.hits {
            *self.hits.entry(hit).or_default() += count;
        }
    }
}

struct Needle {
    bytes: Vec<u8>,
    name: usize,
    form: &'static str,
}

/// Needles by their first four bytes.
#[derive(Default)]
pub struct Search {
    names: Vec<String>,
    needles: HashMap<[u8; 4], Vec<Needle>>,
    /// Which pairs of bytes begin a needle.
    begins: Vec<bool>,
    longest: usize,
}

impl Search {
    /// A search for nothing yet.
    pub fn new() -> Self {
        Self { begins: vec![false; 1 << 16], ..Self::default() }
    }

    /// Looks for a text in every form.
    pub fn text(&mut self, name: &str, text: &str) {
        self.forms(name, of_text(text));
    }

    /// Looks for an IPv4 address in every form.
    pub fn v4(&mut self, name: &str, octets: [u8; 4]) {
        self.forms(name, of_v4(octets));
    }

    /// Looks for an IPv6 address in every form.
    pub fn v6(&mut self, name: &str, octets: [u8; 16]) {
        self.forms(name, of_v6(octets));
    }

    /// Looks no more for one form of a marker: it was there before.
    pub fn forget(&mut self, hit: &Hit) {
        let Some(name) = self.names.iter().position(|name| *name == hit.name) else { return };
        for needles in self.needles.values_mut() {
            needles.retain(|needle| needle.name != name || needle.form != hit.form);
        }
    }

    fn forms(&mut self, name: &str, forms: Vec<Form>) {
        let at = match self.names.iter().position(|known| known == name) {
            Some(at) => at,
            None => {
                self.names.push(name.to_owned());
                self.names.len() - 1
            }
        };
        for (form, bytes) in forms {
            let Some(first) = bytes.first_chunk::<FORM_BYTES_MIN>().copied() else { continue };
            self.begins[pair(first[0], first[1])] = true;
            self.longest = self.longest.max(bytes.len());
            let needles = self.needles.entry(first).or_default();
            if !needles.iter().any(|known| known.name == at && known.bytes == bytes) {
                needles.push(Needle { bytes, name: at, form });
            }
        }
    }

    /// What is in a text, packed parts left as they are.
    pub fn within(&self, bytes: &[u8]) -> Hits {
        let mut hits = Hits::new();
        self.scan(bytes, bytes.len(), &mut hits);
        hits
    }

    /// Notes what begins in the first `until` bytes.
    fn scan(&self, bytes: &[u8], until: usize, hits: &mut Hits) {
        for (at, two) in bytes.windows(2).enumerate().take(until) {
            if !self.begins[pair(two[0], two[1])] {
                continue;
            }
            let rest = &bytes[at..];
            let Some(first) = rest.first_chunk::<FORM_BYTES_MIN>() else { break };
            for needle in self.needles.get(first).into_iter().flatten() {
                if rest.starts_with(&needle.bytes) {
                    let hit = Hit { name: self.names[needle.name].clone(), form: needle.form };
                    *hits.entry(hit).or_default() += 1;
                }
            }
        }
    }

    /// Reads a stream of at most `limit` bytes. `seen` gets each piece, its offset, and how many of
    /// its bytes are new: the others come again.
    fn stream(
        &self,
        reader: impl Read,
        limit: u64,
        mut seen: impl FnMut(u64, &[u8], usize),
    ) -> io::Result<Look> {
        let mut reader = reader.take(limit);
        let mut look = Look::default();
        let mut buffer: Vec<u8> = Vec::new();
        let overlap = self.longest.max(unpack::MAGIC_BYTES_MAX);
        loop {
            let before = buffer.len();
            let read = (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut buffer)?;
            look.bytes += read as u64;
            let is_end = read == 0;
            let until = if is_end { buffer.len() } else { buffer.len().saturating_sub(overlap) };
            self.scan(&buffer, until, &mut look.hits);
            seen(look.bytes - buffer.len() as u64, &buffer, until);
            if is_end {
                return Ok(look);
            }
            debug_assert!(before <= overlap);
            buffer.drain(..until);
        }
    }

    /// Looks at bytes in memory, and into what is packed in them.
    pub fn look(&self, bytes: &[u8]) -> Look {
        let all = bytes.len() as u64;
        // Memory has no errors, and packed bytes that are none are passed over.
        self.look_into(&mut io::Cursor::new(bytes), "", all).unwrap_or_default()
    }

    /// Looks at a file and into what is packed in it: gzip, zstd and lz4 wherever they begin, one
    /// layer deep, and ClickHouse's own blocks where `name` ends in `.bin`. Of a file with more
    /// than `limit` bytes its end is looked at, and the rest is said to be skipped, as is what is
    /// packed within packed parts, or otherwise (xz, bzip2, zip, 7z).
    ///
    /// # Errors
    /// Those of the reader.
    pub fn look_into(
        &self,
        file: &mut (impl Read + Seek),
        name: &str,
        limit: u64,
    ) -> io::Result<Look> {
        let length = file.seek(SeekFrom::End(0))?;
        let begin = length.saturating_sub(limit);
        file.seek(SeekFrom::Start(begin))?;
        let (mut packed, mut skipped) = (Vec::new(), begin);
        let mut look = self.stream(&mut *file, limit, |at, piece, until| {
            unpack::begins(piece, until, |offset, kind| {
                if packed.len() < PACKED_MAX {
                    packed.push((begin + at + offset as u64, kind));
                } else {
                    skipped += 1;
                }
            });
            skipped += unpack::foreign(piece, until);
        })?;
        look.skipped = skipped;
        let mut left = ALL_UNPACKED_BYTES_MAX;
        for (offset, kind) in packed {
            file.seek(SeekFrom::Start(offset))?;
            let mut inside = self.unpacked(&mut *file, kind, left.min(UNPACKED_BYTES_MAX));
            if offset == 0 && inside.bytes == 0 && length > unpack::EMPTY_BYTES_MAX {
                // A file that begins so is packed, in a way that is not known here.
                inside.skipped += 1;
            }
            left = left.saturating_sub(inside.bytes);
            look.add(inside);
        }
        if name.ends_with(".bin") {
            file.seek(SeekFrom::Start(0))?;
            look.skipped += unpack::clickhouse_blocks(&mut *file, |block| {
                look.bytes += block.len() as u64;
                self.scan(block, block.len(), &mut look.hits);
            })?;
        }
        Ok(look)
    }

    /// What is in one packed part. Bytes that only looked packed end it.
    fn unpacked(&self, reader: impl Read, kind: Kind, limit: u64) -> Look {
        let Ok(opened) = unpack::open(reader, kind) else { return Look::default() };
        let mut kept = Keeping { inner: opened, ended: false, broken: false };
        let mut packed_within = 0;
        // A reader that keeps its errors has none.
        let mut look = self
            .stream(&mut kept, limit, |_, piece, until| {
                unpack::begins(piece, until, |at, kind| {
                    let rest = piece.get(at..).unwrap_or_default();
                    packed_within += u64::from(unpack::is_packed(rest, kind));
                });
                packed_within += unpack::foreign(piece, until);
            })
            .unwrap_or_default();
        look.skipped += packed_within;
        if look.bytes == limit || (kept.broken && look.bytes >= PACKED_BYTES_MIN) {
            // How much more there is nobody knows without unpacking it.
            look.skipped += 1;
        }
        look
    }
}

/// A reader whose error is its end: what came before is searched.
struct Keeping<R> {
    inner: R,
    ended: bool,
    /// It ended by an error.
    broken: bool,
}

impl<R: Read> Read for Keeping<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let read = self.inner.read(buffer);
        self.broken = read.is_err();
        let read = read.unwrap_or(0);
        self.ended = read == 0;
        Ok(read)
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn search() -> Search {
        let mut search = Search::new();
        search.text("word", "kanariesida");
        search.v4("address", [198, 51, 77, 201]);
        search
    }

    fn forms(hits: &Hits) -> Vec<&'static str> {
        hits.keys().map(|hit| hit.form).collect()
    }

    #[test]
    fn the_search_finds_every_form() {
        let search = search();
        for (text, form) in [
            ("xkanariesida", "as it is"),
            ("KANARIESIDA", "upper case"),
            ("6b616e6172696573696461", "hexadecimal"),
            ("a2FuYXJpZXNpZGE=", "base64"),
            ("eGthbmFyaWVzaWRh", "base64"),
            ("eHhrYW5hcmllc2lkYQ==", "base64"),
            ("201.77.51.198", "octets backwards"),
            ("198.51.77.0", "shortened"),
        ] {
            assert_eq!(forms(&search.within(text.as_bytes())), [form], "{text}");
        }
        assert_eq!(search.within(b"kanarie sida 198.51.77"), Hits::new());
        assert_eq!(search.within(b"k"), Hits::new());
    }

    #[test]
    fn what_was_there_before_is_forgotten() {
        let mut search = search();
        let hit = Hit { name: "address".to_owned(), form: "shortened" };
        search.forget(&hit);
        assert_eq!(search.within(b"198.51.77.0"), Hits::new());
        assert_eq!(search.within(b"198.51.77.201").len(), 1);
    }

    #[test]
    fn what_is_packed_is_found() {
        let search = search();
        let text = b"before kanariesida after".repeat(3);
        let mut gzip = flate2::write::GzEncoder::new(b"head".to_vec(), flate2::Compression::best());
        gzip.write_all(&text).unwrap();
        let zstd = [b"head".as_slice(), &zstd::encode_all(&*text, 3).unwrap(), b"tail"].concat();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(b"head".to_vec());
        lz4.write_all(&text).unwrap();
        for packed in [gzip.finish().unwrap(), zstd, lz4.finish().unwrap()] {
            let look = search.look(&packed);
            assert!(look.hits.values().sum::<u64>() >= 3, "{look:?}");
            assert!(look.bytes > packed.len() as u64);
        }
        // Cut off, it says what it held so far, and that there was more.
        let whole = zstd::encode_all(&*[text.clone(), vec![7; 1 << 20]].concat(), 1).unwrap();
        let look = search.look(&whole[..whole.len() - 5]);
        assert!(!look.hits.is_empty() && look.skipped > 0, "{look:?}");
    }

    #[test]
    fn what_was_not_unpacked_is_said() {
        let search = search();
        let gzip = |bytes: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).unwrap();
            gzip.finish().unwrap()
        };
        let text = b"kanariesida".repeat(20);
        let look = search.look(&gzip(&text));
        assert_eq!((look.hits.is_empty(), look.skipped), (false, 0));
        // Two layers, and parts that are packed as is not known here.
        for packed in [
            gzip(&[b"head".to_vec(), gzip(&text)].concat()),
            gzip(&zstd::encode_all(&*text, 1).unwrap()),
            b"head\xfd7zXZ\0rest".to_vec(),
            b"BZh91AY&SYrest".to_vec(),
            b"PK\x03\x04\x14\0\0\0\x08\0rest".to_vec(),
            b"7z\xbc\xaf\x27\x1crest".to_vec(),
            // Begins as zstd does, and is none that can be opened: a dictionary, say.
            [&[0x28, 0xb5, 0x2f, 0xfd][..], &[0xff; 60]].concat(),
        ] {
            assert!(search.look(&packed).skipped > 0, "{packed:?}");
        }
        assert_eq!(search.look(&gzip(b"")).skipped, 0, "nothing is packed in it");
        assert_eq!(search.look(b"PK\x03\x04 is how a zip begins, and 7z otherwise").skipped, 0);
        // Parts beyond the last one that is unpacked.
        let many = [0x1f, 0x8b, 0x08].repeat(PACKED_MAX + 7);
        assert!(search.look(&many).skipped >= 7);
    }

    #[test]
    fn blocks_of_clickhouse_that_are_not_known_are_said() {
        let search = search();
        let block = |method: u8| {
            let mut block = vec![0xaa; 16];
            block.push(method);
            block.extend(20_u32.to_le_bytes());
            block.extend(11_u32.to_le_bytes());
            [block, b"kanariesida".to_vec()].concat()
        };
        let look = |bytes: Vec<u8>| {
            search.look_into(&mut io::Cursor::new(bytes), "a.bin", 1 << 20).unwrap().skipped
        };
        assert_eq!(look(block(0x02)), 0);
        assert!(look(block(0x96)) > 0, "encrypted");
        assert!(look([block(0x02), block(0x96), block(0x02)].concat()) > 0);
        assert!(look([block(0x02), b"cut".to_vec()].concat()) > 0);
        assert_eq!(look(b"no such file at all, but one that ends so".to_vec()), 0);
    }

    #[test]
    fn of_a_long_file_the_end_is_searched() {
        let search = search();
        let mut file = io::Cursor::new([b"kanariesida".to_vec(), vec![b' '; 5_000]].concat());
        let look = search.look_into(&mut file, "log", 4_000).unwrap();
        assert_eq!((look.bytes, look.skipped, look.hits.len()), (4_000, 1_011, 0));
        let look = search.look_into(&mut file, "log", 1 << 30).unwrap();
        assert_eq!((look.bytes, look.skipped, look.hits.len()), (5_011, 0, 1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_marker_is_found_once_wherever_it_lies(before in 0..3_usize, shift in 0..40_usize) {
            // Around the seams of pieces.
            let at = (before * PIECE_BYTES + 20).saturating_sub(shift);
            let mut bytes = vec![b'-'; at];
            bytes.extend(b"kanariesida");
            bytes.extend([b'-'; 50]);
            let found: Vec<u64> = search().look(&bytes).hits.into_values().collect();
            prop_assert_eq!(found, vec![1]);
        }

        #[test]
        fn any_bytes_are_searched(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let mut file = io::Cursor::new(&bytes);
            let look = search().look_into(&mut file, "data.bin", 1 << 20).unwrap();
            prop_assert!(look.bytes >= bytes.len() as u64);
        }
    }
}
