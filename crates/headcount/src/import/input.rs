//! Files to read: which ones, in which order, and out of which compression.
//!
//! What it is not: told by names. What a file is compressed with is asked of its first bytes.
//!
//! What surprises: files are read in the order of their first lines, not of their names, in which
//! `access.log` comes before `access.log.1` and is later.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use headcount_collector::import::hour_of;
use indicatif::ProgressBar;

use super::lines::Lines;
use crate::config::ConfigError;

/// The first bytes of a gzip file (RFC 1952) and of a Zstandard frame (RFC 8878).
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Lines that are looked at for a time.
const PEEKED_LINES: usize = 64;
/// What is remembered of standard input, which may have been counted before.
const RECORDED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Files of one command at most.
const FILES_MAX: usize = 100_000;

/// A stream of a log's bytes.
pub(crate) type Stream = Box<dyn Read + Send>;

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// How messages name it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Bytes of the file as it lies there.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Stdin => 0,
            Self::File(path) => std::fs::metadata(path).map_or(0, |file| file.len()),
        }
    }

    /// Opens it; what is read moves the bar.
    ///
    /// # Errors
    /// If it cannot be opened or begins with what is no compressed file.
    pub(crate) fn open(&self, bar: &ProgressBar) -> anyhow::Result<Stream> {
        let raw: Stream = match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::File(path) => Box::new(file(path)?),
        };
        decompressed(Box::new(bar.wrap_read(raw))).with_context(|| self.name())
    }

    /// Whether it can grow: a file that is not compressed.
    pub(crate) fn grows(&self) -> bool {
        let Self::File(path) = self else { return false };
        let Ok(mut file) = File::open(path) else { return false };
        let mut magic = [0; 4];
        let read = fill(&mut file, &mut magic).unwrap_or(0);
        compression(magic.get(..read).unwrap_or_default()) == Compression::None
    }
}

/// A stream that remembers what was read of it, so that it can be read again.
pub(crate) struct Recorder {
    stream: Stream,
    read: Vec<u8>,
}

impl Recorder {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// The stream from its beginning.
    pub(crate) fn again(self) -> Stream {
        Box::new(io::Cursor::new(self.read).chain(self.stream))
    }
}

impl Read for Recorder {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(room)?;
        self.read.extend_from_slice(room.get(..read).unwrap_or_default());
        if self.read.len() > RECORDED_BYTES_MAX {
            return Err(io::Error::other(
                "begins like a file that was counted, for longer than can be remembered; give it \
                 as a file",
            ));
        }
        Ok(read)
    }
}

/// The inputs that the arguments name, in the order of their first lines.
///
/// # Errors
/// If one does not exist, or is a folder.
pub(crate) fn inputs(arguments: &[PathBuf]) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy();
        if text == "-" {
            inputs.push(Input::Stdin);
        } else if !argument.exists() && text.contains(['*', '?', '[']) {
            let before = inputs.len();
            let found =
                glob::glob(&text).map_err(|error| ConfigError(format!("FILE {text}: {error}")))?;
            inputs.extend(found.flatten().filter(|path| path.is_file()).map(Input::File));
            if inputs.len() == before {
                bail!("{text}: no file has such a name");
            }
        } else {
            inputs.push(Input::File(argument.clone()));
        }
    }
    if inputs.len() > FILES_MAX {
        bail!("{} files are too many; {FILES_MAX} at most at once", inputs.len());
    }
    let mut timed = Vec::with_capacity(inputs.len());
    for input in inputs {
        timed.push((first_hour(&input)?, input));
    }
    timed.sort_by_key(|(hour, _)| *hour);
    let mut inputs: Vec<_> = timed.into_iter().map(|(_, input)| input).collect();
    inputs.dedup();
    Ok(inputs)
}

/// The hour of a file's first line; the last one there is for what cannot be asked twice.
fn first_hour(input: &Input) -> anyhow::Result<u32> {
    if *input == Input::Stdin {
        return Ok(u32::MAX);
    }
    let mut lines = Lines::new(input.open(&ProgressBar::hidden())?);
    for _ in 0..PEEKED_LINES {
        let Some(line) = lines.next().with_context(|| input.name())? else { break };
        if let Some(hour) = hour_of(line.bytes) {
            return Ok(hour.0);
        }
    }
    Ok(0)
}

/// Opens a file, and says which one could not be.
fn file(path: &Path) -> anyhow::Result<File> {
    let at = || path.display().to_string();
    let file = File::open(path).with_context(at)?;
    if file.metadata().with_context(at)?.is_dir() {
        bail!("{}: it is a folder; name its files, as in '{}/access.log*'", at(), at());
    }
    Ok(file)
}

#[derive(PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

fn compression(beginning: &[u8]) -> Compression {
    if beginning.starts_with(&GZIP) {
        Compression::Gzip
    } else if beginning.starts_with(&ZSTD) {
        Compression::Zstd
    } else {
        Compression::None
    }
}

/// The stream without its compression, asked of its first bytes.
pub(crate) fn decompressed(mut raw: Stream) -> io::Result<Stream> {
    let mut magic = [0; 4];
    let read = fill(&mut raw, &mut magic)?;
    let beginning = magic.get(..read).unwrap_or_default().to_vec();
    let compression = compression(&beginning);
    let whole = io::Cursor::new(beginning).chain(raw);
    Ok(match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(whole))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(whole)?),
    })
}

/// Reads until `room` is full or the stream ends.
fn fill(stream: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
