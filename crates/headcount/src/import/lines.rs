//! Whole lines out of a stream that may grow.
//!
//! What it is not: unbounded. Of a line that is too long the beginning is kept and the rest is
//! passed over.
//!
//! What surprises: a last line without its end is not given out, because it may still be written.
//! When the stream has grown, asking again goes on with it.

use std::io::{self, Read};
use std::ops::Range;

use headcount_collector::import::LINE_BYTES_MAX;

/// Bytes kept of a line: one more than is read of it, so that who reads it sees that it is longer.
const KEPT_BYTES: usize = LINE_BYTES_MAX + 1;
/// Bytes remembered of what was read last: more than the one line that tells a time.
const RECENT_BYTES: usize = 512;
/// Bytes read at once.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The lines of a stream.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What has not been given out: `buffer[start..end]`, in which `start..seen` has no line's end.
    start: usize,
    seen: usize,
    end: usize,
    /// Bytes passed over of the line that begins at `start`.
    passed: u64,
    taken: u64,
    recent: Vec<u8>,
}

/// One line.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Without its end; of a long one, the beginning.
    pub(crate) bytes: &'a [u8],
    /// Its length with its end.
    pub(crate) length: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        let buffer = vec![0; BUFFER_BYTES];
        let recent = Vec::with_capacity(RECENT_BYTES);
        Self { reader, buffer, start: 0, seen: 0, end: 0, passed: 0, taken: 0, recent }
    }

    /// The stream, without what was read of it.
    pub(crate) fn into_stream(self) -> R {
        self.reader
    }

    /// Bytes read from the stream.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The last of them: what stands before the place up to which was read, if the file is still
    /// the same.
    pub(crate) fn recent(&self) -> &[u8] {
        &self.recent
    }

    /// Whether a line has begun whose end has not come.
    pub(crate) fn has_rest(&self) -> bool {
        self.end > self.start
    }

    /// The next line; `None` at the end of what is there now.
    ///
    /// # Errors
    /// Of the stream.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let at = loop {
            let unseen = self.buffer.get(self.seen..self.end).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', unseen) {
                break self.seen + at;
            }
            self.seen = self.end;
            self.make_room();
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            let read = match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Ok(None);
            }
            self.remember(self.end..self.end + read);
            self.end += read;
            self.taken += widened(read);
        };
        let (start, passed) = (self.start, std::mem::take(&mut self.passed));
        (self.start, self.seen) = (at + 1, at + 1);
        let bytes = self.buffer.get(start..at.min(start + KEPT_BYTES)).unwrap_or_default();
        Ok(Some(Line { bytes, length: passed + widened(at + 1 - start) }))
    }

    fn remember(&mut self, read: Range<usize>) {
        let fresh = self.buffer.get(read).unwrap_or_default();
        let fresh = fresh.get(fresh.len().saturating_sub(RECENT_BYTES)..).unwrap_or_default();
        let over = (self.recent.len() + fresh.len()).saturating_sub(RECENT_BYTES);
        self.recent.drain(..over);
        self.recent.extend_from_slice(fresh);
    }

    /// Moves what is there to the front, and shortens a line that is too long.
    fn make_room(&mut self) {
        if self.end - self.start > KEPT_BYTES {
            let over = self.end - self.start - KEPT_BYTES;
            self.passed += widened(over);
            self.end -= over;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.seen = self.end;
    }
}

fn widened(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, and an end wherever the text has a `|`.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if let Some(rest) = self.0.strip_prefix(b"|") {
                self.0 = rest;
                return Ok(0);
            }
            let stop = memchr::memchr(b'|', self.0).unwrap_or(self.0.len());
            let some = stop.min(3).min(room.len());
            let (now, later) = self.0.split_at(some);
            room[..some].copy_from_slice(now);
            self.0 = later;
            Ok(some)
        }
    }

    #[test]
    fn a_line_is_given_out_when_its_end_has_come() {
        let mut lines = Lines::new(Drops(b"one\n\ntwo and|half\nrest|"));
        let mut next = || {
            lines.next().unwrap().map(|l| (String::from_utf8(l.bytes.to_vec()).unwrap(), l.length))
        };
        assert_eq!(next(), Some(("one".to_owned(), 4)));
        assert_eq!(next(), Some((String::new(), 1)));
        assert_eq!(next(), None);
        assert_eq!(next(), Some(("two andhalf".to_owned(), 12)));
        assert_eq!(next(), None);
        assert!(lines.has_rest());
        assert_eq!(lines.taken(), 21);
        assert_eq!(lines.recent(), b"one\n\ntwo andhalf\nrest");
    }

    #[test]
    fn a_long_line_costs_no_memory_and_keeps_its_length() {
        let long = vec![b'x'; 3 * BUFFER_BYTES];
        let text = [&long[..], b"\nshort\n"].concat();
        let mut lines = Lines::new(&text[..]);
        let first = lines.next().unwrap().unwrap();
        assert_eq!((first.bytes.len(), first.length), (KEPT_BYTES, 3 * 1024 * 1024 + 1));
        let second = lines.next().unwrap().unwrap();
        assert_eq!((second.bytes, second.length), (&b"short"[..], 6));
        assert!(lines.next().unwrap().is_none());
        assert_eq!(lines.buffer.len(), BUFFER_BYTES);
        assert_eq!(lines.recent(), &text[text.len() - RECENT_BYTES..]);
    }
}
