//! Files to read: which ones, in which order, and out of which compression.
//!
//! What it is not: told by names. What a file is compressed with is asked of its first bytes.
//!
//! What surprises: files are read in the order of their first lines, not of their names, in which
//! `access.log` comes before `access.log.1` and is later. A file is its device and inode, so two
//! names of one file are one.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, Read, Seek as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use flate2::bufread::GzDecoder;
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

/// Which file it is, whatever it is called: device and inode.
pub(crate) type FileId = (u64, u64);

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

    /// Which file it is; standard input is none.
    fn id(&self) -> anyhow::Result<Option<FileId>> {
        let Self::File(path) = self else { return Ok(None) };
        let metadata = std::fs::metadata(path).with_context(|| path.display().to_string())?;
        refuse_other_kinds(path, &metadata)?;
        Ok(Some(identity(&metadata)))
    }
}

/// A log that is open. Everything is asked of this descriptor, because the name may be another
/// file's at any moment.
pub(crate) struct LogFile {
    path: PathBuf,
    file: Arc<File>,
    id: FileId,
}

impl LogFile {
    /// Opens it.
    ///
    /// # Errors
    /// If it cannot be opened, or is no regular file: what can be read only once cannot be
    /// recognised and then counted.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let at = || path.display().to_string();
        // Asked before it is opened: opening a named pipe waits for who writes to it.
        refuse_other_kinds(path, &std::fs::metadata(path).with_context(at)?)?;
        let file = File::open(path).with_context(at)?;
        let id = identity(&file.metadata().with_context(at)?);
        Ok(Self { path: path.to_owned(), file: Arc::new(file), id })
    }

    /// How messages name it.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Its bytes now.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |file| file.len())
    }

    /// What is in it, from its beginning; what is read moves the bar. A stream that was given out
    /// before must not be read any more.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn stream(&self, bar: &ProgressBar) -> anyhow::Result<Stream> {
        (&*self.file).rewind().with_context(|| self.name())?;
        let raw: Stream = Box::new(Arc::clone(&self.file));
        decompressed(Box::new(bar.wrap_read(raw))).with_context(|| self.name())
    }

    /// Whether it can grow: a file that is not compressed.
    pub(crate) fn grows(&self) -> bool {
        let mut magic = [0; 4];
        let read = self.file.read_at(&mut magic, 0).unwrap_or(0);
        compression(magic.get(..read).unwrap_or_default()) == Compression::None
    }

    /// Whether these bytes still end at this place: if not, it was begun anew in place.
    pub(crate) fn still_has(&self, bytes: &[u8], end: u64) -> bool {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut found = vec![0; bytes.len()];
        let read = self.file.read_exact_at(&mut found, end.saturating_sub(length));
        read.is_ok() && found == bytes
    }
}

/// Which file that is.
pub(crate) fn identity(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

fn refuse_other_kinds(path: &Path, metadata: &Metadata) -> anyhow::Result<()> {
    let at = path.display();
    if metadata.is_dir() {
        bail!("{at}: it is a folder; name its files, as in '{at}/access.log*'");
    }
    if !metadata.is_file() {
        bail!("{at}: it is no regular file, and could be read only once; pipe it in with -");
    }
    Ok(())
}

/// Standard input, from its beginning.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn stdin(bar: &ProgressBar) -> io::Result<Stream> {
    decompressed(Box::new(bar.wrap_read(io::stdin())))
}

/// A stream that remembers what was read of it, so that it can be read again.
pub(crate) struct Recorder {
    stream: Stream,
    read: Vec<u8>,
    failed: Option<(io::ErrorKind, String)>,
    is_full: bool,
}

impl Recorder {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, read: Vec::new(), failed: None, is_full: false }
    }

    /// The stream from its beginning, with the error that it had.
    ///
    /// # Errors
    /// If more was read than can be remembered.
    pub(crate) fn again(self) -> anyhow::Result<Stream> {
        if self.is_full {
            bail!(
                "standard input begins like a file that was counted, for longer than can be \
                 remembered; give it as a file"
            );
        }
        let read = io::Cursor::new(self.read);
        Ok(match self.failed {
            Some(failed) => Box::new(read.chain(Failed(failed))),
            None => Box::new(read.chain(self.stream)),
        })
    }
}

impl Read for Recorder {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.is_full {
            return Ok(0);
        }
        let read = match self.stream.read(room) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.failed = Some((error.kind(), error.to_string()));
                return Err(error);
            }
            read => read?,
        };
        self.read.extend_from_slice(room.get(..read).unwrap_or_default());
        self.is_full = self.read.len() > RECORDED_BYTES_MAX;
        Ok(read)
    }
}

/// A stream that has failed.
struct Failed((io::ErrorKind, String));

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let (kind, text) = &self.0;
        Err(io::Error::new(*kind, text.clone()))
    }
}

/// The inputs that the arguments name, each file once, in the order of their first lines.
///
/// # Errors
/// If one does not exist, or is no regular file.
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
    let mut ids = HashSet::new();
    let mut timed = Vec::with_capacity(inputs.len());
    for input in inputs {
        if ids.insert(input.id()?) {
            timed.push((first_hour(&input), input));
        }
    }
    timed.sort_by_key(|(hour, _)| *hour);
    Ok(timed.into_iter().map(|(_, input)| input).collect())
}

/// The hour of a file's first line; the last one there is for what cannot be asked twice. What
/// cannot be read is told when it is to be counted.
fn first_hour(input: &Input) -> u32 {
    let Input::File(path) = input else { return u32::MAX };
    let opened = LogFile::open(path).and_then(|file| file.stream(&ProgressBar::hidden()));
    let Ok(stream) = opened else { return 0 };
    let mut lines = Lines::new(stream);
    for _ in 0..PEEKED_LINES {
        let Ok(Some(line)) = lines.next() else { break };
        if let Some(hour) = hour_of(line.bytes) {
            return hour.0;
        }
    }
    0
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
        Compression::Gzip => {
            Box::new(Members { member: Some(GzDecoder::new(io::BufReader::new(whole))) })
        }
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(whole)?),
    })
}

/// The members of a gzip file, one behind the other. What follows the last of them and is none,
/// such as the zeros of a tape's block, is left alone, as gzip does.
struct Members<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(room)?;
            if read > 0 || room.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { break };
            let next = rest.fill_buf()?;
            // The buffer may end behind the first of the two bytes.
            let begun = next.get(..next.len().min(GZIP.len())).unwrap_or_default();
            if !begun.is_empty() && GZIP.starts_with(begun) {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    }

    /// The text, and whether it ended without an error.
    fn read(bytes: &[u8]) -> (String, bool) {
        let (mut text, mut room) = (Vec::new(), [0; 7]);
        let mut stream = decompressed(Box::new(io::Cursor::new(bytes.to_vec()))).unwrap();
        loop {
            match stream.read(&mut room) {
                Ok(0) => return (String::from_utf8(text).unwrap(), true),
                Ok(read) => text.extend_from_slice(&room[..read]),
                Err(_) => return (String::from_utf8(text).unwrap(), false),
            }
        }
    }

    #[test]
    fn a_gzip_file_ends_behind_its_last_member() {
        let (one, two) = (member("one\n"), member("two\n"));
        let check = |parts: &[&[u8]], expect: &str, is_whole| {
            assert_eq!(read(&parts.concat()), (expect.to_owned(), is_whole));
        };
        check(&[&one], "one\n", true);
        check(&[&one, &two], "one\ntwo\n", true);
        check(&[&one, &two, &[0; 512]], "one\ntwo\n", true);
        check(&[&one, b"\x1e rubbish"], "one\n", true);
        check(&[&one, &[], &member(""), &two], "one\ntwo\n", true);
        // What begins like a member and is none is damage.
        check(&[&one, b"\x1f\x8b rubbish"], "one\n", false);
        check(&[&one, &two[..two.len() - 1]], "one\ntwo\n", false);
        check(&[b"plain\n"], "plain\n", true);
        check(&[b""], "", true);
    }
}
