//! How a file is known again: by the lengths of its lines, and four bits of each.
//!
//! What it is not: a hash of its content. Of a log with one line that would tell whoever guesses
//! the line that they guessed right; this tells them next to nothing, of any line, by construction.
//!
//! What surprises: neither name, place nor compression matters. A file that has grown begins like
//! the shorter one did, so its beginning is what is looked for.

use std::io::Read;

use headcount_collector::import::hour_of;
use headcount_store::sqlite::{Digest, ImportNote};

use super::lines::{Line, Lines};

/// Lines at the first waymark; each next is at twice as many.
const FIRST_WAYMARK: u64 = SHORT_LINES;
/// So many lines may pass before one has a time.
const HOUR_WITHIN: u64 = 64;
/// Fewer lines say little: files must then begin in the same hour to be the same, and what was
/// counted further is not looked for.
pub(crate) const SHORT_LINES: u64 = 8;
/// What is kept of the hash of a line.
const KEPT_BITS: u8 = 0x0f;
const CONTEXT: &str = "headcount 2026-11-21 trail of an imported file";

/// The digest of the lines so far.
pub(crate) struct Trail {
    hasher: blake3::Hasher,
    lines: u64,
    first_hour: u32,
    waymarks: Vec<Digest>,
}

/// What is known of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing.
    New,
    /// So far it was counted.
    Counted(ImportNote),
    /// It was counted, as far as its fewer than [`SHORT_LINES`] lines tell.
    Short(ImportNote),
    /// It ends before the end of what was counted, and was the same up to its last waymark.
    OlderCopy,
}

impl Trail {
    pub(crate) fn new() -> Self {
        let hasher = blake3::Hasher::new_derive_key(CONTEXT);
        Self { hasher, lines: 0, first_hour: 0, waymarks: Vec::new() }
    }

    /// Goes one line further.
    pub(crate) fn pass(&mut self, line: Line<'_>) {
        let [bits, ..] = *blake3::hash(line.bytes).as_bytes();
        self.hasher.update(&line.length.to_le_bytes());
        self.hasher.update(&[bits & KEPT_BITS]);
        if self.first_hour == 0 && self.lines < HOUR_WITHIN {
            self.first_hour = hour_of(line.bytes).map_or(0, |hour| hour.0);
        }
        self.lines += 1;
        if self.waymark().is_some() {
            self.waymarks.push(self.digest());
        }
    }

    /// Lines passed.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Writes down how far it has come.
    pub(crate) fn note(&self, note: &mut ImportNote) {
        note.first_hour = self.first_hour;
        note.lines = self.lines;
        note.digest = self.digest();
        note.waymarks.clone_from(&self.waymarks);
    }

    fn digest(&self) -> Digest {
        let hash = self.hasher.finalize();
        *hash.as_bytes().first_chunk().expect("a hash is longer than a digest")
    }

    /// The place in the list of waymarks, if one is here.
    fn waymark(&self) -> Option<usize> {
        let doubled = self.lines / FIRST_WAYMARK;
        let is_here = doubled.is_power_of_two() && self.lines.is_multiple_of(FIRST_WAYMARK);
        is_here.then(|| usize::try_from(doubled.trailing_zeros()).unwrap_or(usize::MAX))
    }

    /// Whether it has come to where the note is, over the same lines.
    pub(crate) fn is_at(&self, note: &ImportNote) -> bool {
        note.lines == self.lines
            && note.digest == self.digest()
            && (note.lines >= SHORT_LINES || note.first_hour == self.first_hour)
    }
}

/// Looks what is known of the file with these lines. Reads only as far as one of the notes could
/// still be its own: a new file is told after its first lines. What cannot be read is its end, so
/// that what comes before that is counted.
pub(crate) fn recognise<R: Read>(lines: &mut Lines<R>, notes: &[ImportNote]) -> Known {
    let mut trail = Trail::new();
    let mut alive: Vec<&ImportNote> = notes.iter().collect();
    let mut found = None;
    while alive.iter().any(|note| note.lines > trail.lines) {
        let Ok(Some(line)) = lines.next() else {
            let ends_here = found.is_some_and(|note: &ImportNote| note.lines == trail.lines);
            let is_older = trail.lines >= FIRST_WAYMARK
                && !ends_here
                && alive.iter().any(|note| note.first_hour == trail.first_hour);
            return if is_older { Known::OlderCopy } else { of(found, ends_here) };
        };
        trail.pass(line);
        found = alive.iter().copied().find(|note| trail.is_at(note)).or(found);
        if let Some(at) = trail.waymark() {
            let here = trail.waymarks.last();
            alive.retain(|note| note.waymarks.get(at) == here);
        }
    }
    let is_whole = found.is_some_and(|note| note.lines < SHORT_LINES && note.lines == trail.lines)
        && !matches!(lines.next(), Ok(Some(_)));
    of(found, is_whole)
}

fn of(found: Option<&ImportNote>, is_whole: bool) -> Known {
    match found {
        None => Known::New,
        Some(note) if is_whole && note.lines < SHORT_LINES => Known::Short(note.clone()),
        Some(note) => Known::Counted(note.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize, of: &str) -> String {
        (0..count).map(|n| format!("{of} {} {}\n", n % 7, "x".repeat(n % 31))).collect()
    }

    fn noted(text: &str, id: u64) -> ImportNote {
        let (mut trail, mut note) = (Trail::new(), ImportNote { id, ..ImportNote::default() });
        let mut lines = Lines::new(text.as_bytes());
        while let Some(line) = lines.next().unwrap() {
            trail.pass(line);
        }
        trail.note(&mut note);
        note
    }

    fn known(text: &str, notes: &[ImportNote]) -> Known {
        recognise(&mut Lines::new(text.as_bytes()), notes)
    }

    #[test]
    fn a_file_is_known_when_it_has_grown_and_no_other_is() {
        for count in [1, 5, 7, 8, 9, 63, 64, 65, 1_000] {
            let text = lines(count, "a");
            let note = noted(&text, 1);
            let notes = [noted(&lines(2_000, "other"), 2), note.clone(), noted("z\n", 3)];
            let same = if count < 8 { Known::Short } else { Known::Counted };
            assert_eq!(known(&text, &notes), same(note.clone()), "{count}");
            let grown = text.clone() + &lines(300, "more") + "no end";
            assert_eq!(known(&grown, &notes), Known::Counted(note), "{count}");
            assert_eq!(known(&lines(count + 10, "bb"), &notes), Known::New, "{count}");
        }
        assert_eq!(known("", &[noted("z\n", 3)]), Known::New);
    }

    #[test]
    fn the_longest_beginning_is_the_one() {
        let (short, long) = (lines(100, "a"), lines(150, "a"));
        let notes = [noted(&long, 2), noted(&short, 1)];
        assert_eq!(known(&lines(400, "a"), &notes), Known::Counted(notes[0].clone()));
        assert_eq!(known(&long, &notes), Known::Counted(notes[0].clone()));
    }

    #[test]
    fn an_older_copy_is_told_from_another_file() {
        let notes = [noted(&lines(1_000, "a"), 1)];
        assert_eq!(known(&lines(700, "a"), &notes), Known::OlderCopy);
        for count in [8, 9, 63, 64] {
            assert_eq!(known(&lines(count, "a"), &notes), Known::OlderCopy, "{count}");
        }
        assert_eq!(known(&lines(700, "bb"), &notes), Known::New);
        assert_eq!(known(&(lines(300, "a") + &lines(400, "bb")), &notes), Known::New);
        // Too short to be told from another one that begins alike.
        assert_eq!(known(&lines(7, "a"), &notes), Known::New);
    }

    #[test]
    fn short_files_of_other_hours_are_others() {
        let line = |hour: u32| {
            format!("192.0.2.1 - - [20/Nov/2026:{hour:02}:00:00 +0000] \"GET / HTTP/1.1\" 200 1\n")
        };
        let notes = [noted(&line(10), 1)];
        assert_eq!(known(&line(10), &notes), Known::Short(notes[0].clone()));
        assert_eq!(known(&line(11), &notes), Known::New);
        // It has grown, so it is the same one.
        let grown = line(10) + "more\n";
        assert_eq!(known(&grown, &notes), Known::Counted(notes[0].clone()));
    }

    #[test]
    fn what_cannot_be_read_is_the_end() {
        struct Cut<'a>(&'a [u8]);
        impl Read for Cut<'_> {
            fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
                match self.0.read(room)? {
                    0 => Err(std::io::Error::other("cut")),
                    read => Ok(read),
                }
            }
        }
        let text = lines(100, "a");
        let known = |notes: &[ImportNote]| recognise(&mut Lines::new(Cut(text.as_bytes())), notes);
        assert_eq!(known(&[]), Known::New);
        assert_eq!(known(&[noted(&lines(90, "a"), 1)]), Known::Counted(noted(&lines(90, "a"), 1)));
        assert_eq!(known(&[noted(&lines(120, "a"), 1)]), Known::OlderCopy);
    }

    #[test]
    fn of_each_line_no_more_than_four_bits_and_its_length_are_kept() {
        let texts: std::collections::BTreeSet<Digest> =
            (0..5_000).map(|n| noted(&format!("192.0.2.{n:04}\n"), 1).digest).collect();
        assert_eq!(texts.len(), 16);
    }
}
