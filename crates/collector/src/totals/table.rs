//! A CSV file with a head, of which single columns are read.
//!
//! What it is not: a reader of whole rows. A field that nobody asks for is never made a text.
//!
//! What surprises: a row may have fewer fields than the head. Matomo puts the reports of many days
//! below each other, and each adds the columns that it has and the days before had not.

use std::borrow::Cow;
use std::char::{REPLACEMENT_CHARACTER, decode_utf16};

use csv::{ByteRecord, Reader, ReaderBuilder};
use headcount_core::time::{Day, Hour};

use super::TotalsError;
use crate::log::time;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_MARK: &[u8] = &[0xff, 0xfe];
/// The first bytes of a zip file, as which most exports come.
const ZIP: &[u8] = b"PK\x03\x04";

/// The content as bytes of UTF-8 without a mark; what Matomo writes for Excel is UTF-16.
///
/// # Errors
/// If it is no text at all.
pub(super) fn utf8(content: &[u8]) -> Result<Cow<'_, [u8]>, TotalsError> {
    let unfit = |why| Err(TotalsError::Unfit { line: 1, why });
    if content.starts_with(ZIP) {
        return unfit("this is a zip file; unzip it and give the CSV files that are in it");
    }
    if let Some(text) = content.strip_prefix(UTF8_MARK) {
        return Ok(Cow::Borrowed(text));
    }
    let Some(units) = content.strip_prefix(UTF16_MARK) else { return Ok(Cow::Borrowed(content)) };
    let (units, rest) = units.as_chunks::<2>();
    if !rest.is_empty() {
        return unfit("UTF-16 with half a letter at its end; the file is cut off, export it again");
    }
    let text: String = decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .map(|letter| letter.unwrap_or(REPLACEMENT_CHARACTER))
        .collect();
    Ok(Cow::Owned(text.into_bytes()))
}

/// A file with its head.
pub(super) struct Table<'c> {
    reader: Reader<&'c [u8]>,
    head: Vec<String>,
}

/// A column of the file.
#[derive(Clone, Copy)]
pub(super) struct Column {
    at: usize,
    name: &'static str,
}

impl<'c> Table<'c> {
    /// Reads the head.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn open(text: &'c [u8]) -> Result<Self, TotalsError> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
        let head = reader.byte_headers().map_err(|_| no_table(1))?;
        let head = head.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned());
        let head: Vec<_> = head.collect();
        Ok(Self { reader, head })
    }

    /// The names of the columns.
    pub(super) fn head(&self) -> &[String] {
        &self.head
    }

    /// The column with one of these names; the first is what errors call it.
    pub(super) fn column<const N: usize>(&self, names: [&'static str; N]) -> Option<Column> {
        let found = |at: &String| names.contains(&at.as_str());
        let at = self.head.iter().position(found)?;
        names.first().map(|name| Column { at, name })
    }

    /// Whether all of these columns are there.
    pub(super) fn has<const N: usize>(&self, names: [&'static str; N]) -> bool {
        names.into_iter().all(|name| self.column([name]).is_some())
    }

    /// Reads one row after the other.
    ///
    /// # Errors
    /// The first error of `read`, or if a row is longer than the head.
    pub(super) fn each(
        &mut self,
        mut read: impl FnMut(&Line<'_>) -> Result<(), TotalsError>,
    ) -> Result<(), TotalsError> {
        let (mut record, mut line) = (ByteRecord::new(), 1);
        while self.reader.read_byte_record(&mut record).map_err(|_| no_table(line))? {
            line = record.position().map_or(line, csv::Position::line);
            if record.len() > self.head.len() {
                let why = "more fields than columns; export it again, with commas between them";
                return Err(TotalsError::Unfit { line, why });
            }
            read(&Line { record: &record, line })?;
        }
        Ok(())
    }
}

fn no_table(line: u64) -> TotalsError {
    TotalsError::Unfit { line, why: "this is no CSV; export it again" }
}

/// A row.
pub(super) struct Line<'r> {
    record: &'r ByteRecord,
    line: u64,
}

impl<'r> Line<'r> {
    /// The bytes of a field; none where the row ends before it.
    pub(super) fn bytes(&self, column: Column) -> &'r [u8] {
        self.record.get(column.at).unwrap_or_default().trim_ascii()
    }

    /// A field as text. Bytes that are none become marks that no sanitiser keeps a name with.
    pub(super) fn text(&self, column: Column) -> Cow<'r, str> {
        String::from_utf8_lossy(self.bytes(column))
    }

    /// A field as a number.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn number(&self, column: Column) -> Result<u64, TotalsError> {
        let number = std::str::from_utf8(self.bytes(column)).ok().and_then(|n| n.parse().ok());
        number.ok_or_else(|| self.is_no(column, "number such as 12"))
    }

    /// A field that may be missing or empty, as a number.
    ///
    /// # Errors
    /// If it is there and no number.
    pub(super) fn number_or_none(&self, column: Option<Column>) -> Result<u64, TotalsError> {
        let there = column.filter(|column| !self.bytes(*column).is_empty());
        there.map_or(Ok(0), |column| self.number(column))
    }

    /// A field as a UTC day.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn day(&self, column: Column) -> Result<Day, TotalsError> {
        let day = std::str::from_utf8(self.bytes(column)).ok().and_then(Day::parse);
        day.ok_or_else(|| self.is_no(column, "day such as 2026-11-21"))
    }

    /// The hour of a field that has a time; one without a zone is UTC.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn hour(&self, column: Column) -> Result<Hour, TotalsError> {
        let seconds = time::of_iso(self.bytes(column));
        let no_time = || self.is_no(column, "time such as 2026-11-21T14:06:17Z");
        seconds.map(Hour::of_unix).ok_or_else(no_time)
    }

    /// The error of a field that is not what it should be.
    pub(super) fn is_no(&self, column: Column, expected: &'static str) -> TotalsError {
        TotalsError::Field { line: self.line, column: column.name, expected }
    }

    /// The error of a row that says that the whole file cannot be counted.
    pub(super) fn unfit(&self, why: &'static str) -> TotalsError {
        TotalsError::Unfit { line: self.line, why }
    }
}
