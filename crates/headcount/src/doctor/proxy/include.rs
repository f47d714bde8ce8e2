//! nginx's `include`: the statements of the files that it names, in its place.
//!
//! What it is not: a search. Only what is named is read, and no more of it than is bounded here.
//!
//! What surprises: the output of `nginx -T` brings its files along, each behind a line with its name.
//! Then nothing is read from the disk: the file may come from another machine.

use std::collections::BTreeMap;
use std::path::Path;

use glob::{MatchOptions, Pattern, glob_with};

use super::{DEPTH_MAX, Ends, FILE_BYTES_MAX, Statement, parse};

/// Files that are included at most.
const FILES_MAX: usize = 256;
/// The line before each file in the output of `nginx -T` begins so, and ends in a colon.
const PRINTED: &str = "# configuration file ";
/// As nginx's own `glob` matches.
const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A configuration with everything that it includes.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) statements: Vec<Statement>,
    /// What is included and could not be read, as it is written.
    pub(super) unread: Vec<String>,
}

/// Reads `text`, which is the file `at`; without a place nothing is included.
///
/// # Errors
/// Why it cannot be followed.
pub(super) fn whole(text: &str, at: Option<&Path>) -> Result<Whole, String> {
    let printed = sections(text);
    let (main, base) = match printed.first() {
        Some((name, main)) => (*main, Path::new(*name).parent()),
        None => (text, at.and_then(Path::parent)),
    };
    let statements = statements(main)?;
    let mut reader = Reader {
        printed: printed.iter().copied().collect(),
        base,
        files_left: FILES_MAX,
        bytes_left: FILE_BYTES_MAX,
        unread: Vec::new(),
    };
    let statements = reader.expand(statements, 0)?;
    Ok(Whole { statements, unread: reader.unread })
}

fn statements(text: &str) -> Result<Vec<Statement>, String> {
    parse(text, Ends::Semicolon).ok_or_else(|| "its braces do not match".to_owned())
}

/// The files in the output of `nginx -T`, the first one first; none, if it is no such output.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    // What nginx says before its files (the syntax is ok) is not one of them.
    while let Some(at) = rest.find(PRINTED) {
        let is_line = at == 0 || rest.as_bytes().get(at - 1) == Some(&b'\n');
        let behind = rest.get(at + PRINTED.len()..).unwrap_or_default();
        let (line, text) = behind.split_once('\n').unwrap_or((behind, ""));
        match line.trim_end().strip_suffix(':') {
            Some(name) if is_line => {
                let end = text.find(&format!("\n{PRINTED}")).map_or(text.len(), |at| at + 1);
                found.push((name, text.get(..end).unwrap_or_default()));
                rest = text.get(end..).unwrap_or_default();
            }
            _ => rest = behind,
        }
    }
    found
}

struct Reader<'a> {
    /// By name; empty, if files are on the disk.
    printed: BTreeMap<&'a str, &'a str>,
    /// What is not absolute begins here.
    base: Option<&'a Path>,
    files_left: usize,
    bytes_left: u64,
    unread: Vec<String>,
}

impl Reader<'_> {
    /// The statements with what they include. Blocks, and files in files, to a depth.
    fn expand(&mut self, all: Vec<Statement>, depth: usize) -> Result<Vec<Statement>, String> {
        if depth > DEPTH_MAX {
            return Err(format!("its includes go deeper than {DEPTH_MAX}"));
        }
        let mut expanded = Vec::new();
        for mut one in all {
            match one.arguments() {
                [name] if one.name() == "include" && one.block.is_empty() => {
                    for text in self.texts(name)? {
                        expanded.extend(self.expand(statements(&text)?, depth + 1)?);
                    }
                }
                _ => {
                    one.block = self.expand(one.block, depth + 1)?;
                    expanded.push(one);
                }
            }
        }
        Ok(expanded)
    }

    /// The files that a word behind `include` names.
    fn texts(&mut self, name: &str) -> Result<Vec<String>, String> {
        let Some(base) = self.base else { return Ok(Vec::new()) };
        // `**` is nothing special to nginx, and would walk whole trees here.
        let pattern = base.join(name.replace("**", "*"));
        let pattern = pattern.to_string_lossy();
        let texts: Vec<Option<String>> = if self.printed.is_empty() {
            let paths = glob_with(&pattern, MATCH).into_iter().flatten().take(self.files_left + 1);
            paths.map(|path| path.ok().and_then(|path| self.text_of(&path))).collect()
        } else {
            let fits = Pattern::new(&pattern).ok();
            let named = |name: &&str| fits.as_ref().is_some_and(|p| p.matches_with(name, MATCH));
            let printed = self.printed.iter().filter(|(name, _)| named(name));
            printed.map(|(_, text)| Some((*text).to_owned())).collect()
        };
        // A pattern may well fit nothing; a name may not.
        let is_missing = texts.is_empty() && !name.contains(['*', '?', '[']);
        if is_missing || texts.contains(&None) {
            self.unread.push(name.to_owned());
        }
        self.files_left = self
            .files_left
            .checked_sub(texts.len())
            .ok_or_else(|| format!("it includes more than {FILES_MAX} files"))?;
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or_else(|| "it includes more than 4 MiB".to_owned())?;
        Ok(texts)
    }

    /// A plain file of a size that is left.
    fn text_of(&self, path: &Path) -> Option<String> {
        let about = std::fs::metadata(path).ok()?;
        if !about.is_file() || about.len() > self.bytes_left {
            return None;
        }
        std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}
