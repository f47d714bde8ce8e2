//! An image of a running process: every page that it can write, as a thief with its memory has it.
//!
//! What it is not: open to everybody. The process forbids it (`PR_SET_DUMPABLE`), and only root
//! may look all the same.
//!
//! What surprises: neighbouring pages with the same flags are one region to the kernel, so the
//! key is found as the one page in locked memory that holds 32 bytes and nothing else.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Bytes of a page.
const PAGE: usize = 4_096;
/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes by which a needle is looked up.
const WORD: usize = 8;
/// Where copies begin: a key is copied as words of four bytes, and a mark as words of eight.
const ALIGNMENT: usize = 4;
/// Bytes of the place of a mark.
pub(crate) const BLOCK: usize = 64;

/// Some pages in a row.
#[derive(Default)]
struct Region {
    at: u64,
    to: u64,
    name: String,
    /// Of `smaps`: `lo` is locked, `dd` is out of dumps, `dc` is out of children.
    flags: Vec<String>,
    bytes: Vec<u8>,
}

impl Region {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|of| of == flag)
    }

    fn is_locked(&self) -> bool {
        ["lo", "dd", "dc"].iter().all(|flag| self.has(flag))
    }
}

/// All regions at one moment.
pub(crate) struct Image(Vec<Region>);

/// What the locked memory holds.
pub(crate) struct Secrets {
    pub(crate) key: Vec<u8>,
    /// Places of marks that hold one.
    pub(crate) blocks: Vec<Vec<u8>>,
    /// Bytes of all locked regions.
    pub(crate) size: usize,
}

impl Image {
    /// Of the process `pid`.
    pub(crate) fn of(pid: u32) -> Self {
        Self::with(pid, |_| true)
    }

    /// What lies in the locked memory of the process `pid`.
    pub(crate) fn secrets_of(pid: u32) -> Secrets {
        Self::with(pid, Region::is_locked).secrets()
    }

    fn with(pid: u32, reads: impl Fn(&Region) -> bool) -> Self {
        let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps"));
        let memory = File::open(format!("/proc/{pid}/mem"));
        let (Ok(smaps), Ok(memory)) = (smaps, memory) else {
            panic!("only root reads the memory of headcount; run as root: sudo -E tests/run")
        };
        let mut regions: Vec<Region> = Vec::new();
        for line in smaps.lines() {
            if let Some(flags) = line.strip_prefix("VmFlags:") {
                let last = regions.last_mut().unwrap();
                last.flags = flags.split_whitespace().map(str::to_owned).collect();
            } else if let Some(((from, to), rest)) = range(line) {
                let name = rest.split_whitespace().nth(4).unwrap_or_default().to_owned();
                regions.push(Region { at: from, to, name, ..Region::default() });
            }
        }
        for region in &mut regions {
            if region.has("wr") && reads(region) {
                region.bytes = read(&memory, (region.at, region.to));
            }
        }
        Self(regions)
    }

    /// Bytes read.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|region| region.bytes.len()).sum()
    }

    /// What lies in memory that is locked and out of dumps and children; no key, if there is none.
    pub(crate) fn secrets(&self) -> Secrets {
        let mut secrets = Secrets { key: Vec::new(), blocks: Vec::new(), size: 0 };
        for region in self.0.iter().filter(|region| region.is_locked()) {
            secrets.size += region.bytes.len();
            for page in region.bytes.chunks(PAGE) {
                let (head, rest) = page.split_at(KEY);
                if rest.iter().all(|byte| *byte == 0) && is_random(head) {
                    assert!(secrets.key.is_empty(), "two pages look like the key's");
                    secrets.key = head.to_vec();
                    continue;
                }
                let marks = page.chunks(BLOCK).filter(|block| block.iter().any(|byte| *byte != 0));
                secrets.blocks.extend(marks.map(<[u8]>::to_vec));
            }
        }
        secrets
    }

    /// Where each of these texts is, wherever it begins.
    pub(crate) fn everywhere(&self, needles: &[&[u8]]) -> Vec<Vec<String>> {
        let of = |needle: &&[u8]| {
            let finder = memchr::memmem::Finder::new(needle);
            let in_region = |region: &Region| {
                let found = finder.find_iter(&region.bytes);
                found.map(|at| format!("{:x}+{at:x} {}", region.at, region.name)).collect()
            };
            self.0.iter().flat_map(|region| -> Vec<String> { in_region(region) }).collect()
        };
        needles.iter().map(of).collect()
    }

    /// Where each of these is, all in one go.
    pub(crate) fn places(&self, needles: &[&[u8]]) -> Vec<Vec<String>> {
        let mut by_word: HashMap<[u8; WORD], Vec<usize>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for (number, needle) in needles.iter().enumerate() {
            let word = *needle.first_chunk().unwrap();
            by_word.entry(word).or_default().push(number);
            begins[fold(word)] = true;
        }
        let mut places = vec![Vec::new(); needles.len()];
        for region in &self.0 {
            for at in (0..region.bytes.len()).step_by(ALIGNMENT) {
                let rest = &region.bytes[at..];
                let Some(word) = rest.first_chunk().filter(|word| begins[fold(**word)]) else {
                    continue;
                };
                for number in by_word.get(word).into_iter().flatten() {
                    if rest.starts_with(needles[*number]) {
                        places[*number].push(format!("{:x}+{at:x} {}", region.at, region.name));
                    }
                }
            }
        }
        places
    }
}

/// Words that differ mostly have different numbers.
fn fold(word: [u8; WORD]) -> usize {
    let word = u64::from_le_bytes(word);
    let mixed = word ^ (word >> 16) ^ (word >> 32) ^ (word >> 45);
    usize::try_from(mixed & 0xffff).unwrap()
}

/// A key has no zero half; a page of counters has.
fn is_random(head: &[u8]) -> bool {
    head.iter().filter(|byte| **byte != 0).count() > KEY / 2
}

/// The bounds in a line of `smaps` that begins a region.
fn range(line: &str) -> Option<((u64, u64), &str)> {
    let (bounds, rest) = line.split_once(' ')?;
    let (from, to) = bounds.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(((hex(from)?, hex(to)?), rest))
}

fn read(memory: &File, (from, to): (u64, u64)) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
    let mut done = 0;
    // What cannot be read is empty: guards of stacks, and the kernel's own, such as `vvar`.
    while let Ok(some @ 1..) = memory.read_at(&mut bytes[done..], from + done as u64) {
        done += some;
    }
    bytes.truncate(done);
    bytes
}
