//! `--follow`: files that grow, are renamed and begun anew.
//!
//! What it is not: an ear at the file system. It looks twice a second, which works on every one.
//!
//! What surprises: a renamed file is read to its end once more, half a second after a new one has
//! taken its name, because servers go on writing to the old one for a moment.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use super::input::Input;
use super::{Open, Run};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Time between two looks at whether it is told to stop.
const PAUSE: Duration = Duration::from_millis(50);
/// Files that are followed at most: each is open.
const FOLLOWED_MAX: usize = 64;

/// A file that is followed.
struct Followed {
    path: PathBuf,
    open: Option<Open>,
    /// Which file that is: device and inode.
    file: Option<(u64, u64)>,
    /// Another file has its name, or it was emptied: to be read to its end, and then the other.
    leaving: bool,
    /// Bytes of an older copy, which is left alone until it has others.
    left_alone: Option<u64>,
}

impl Followed {
    fn new(path: PathBuf) -> Self {
        Self { path, open: None, file: None, leaving: false, left_alone: None }
    }
}

impl Run {
    /// Counts all files, and then what is written to them, until it is told to stop.
    pub(super) fn follow(&mut self, inputs: &[Input]) -> anyhow::Result<()> {
        let mut followed = Vec::new();
        for input in inputs {
            match input {
                Input::File(path) if input.grows() => {
                    followed.push(Followed::new(path.clone()));
                }
                _ => self.one(input)?,
            }
        }
        if followed.len() > FOLLOWED_MAX {
            bail!("--follow: {} files are too many, {FOLLOWED_MAX} at most", followed.len());
        }
        self.follows = true;
        while !self.is_stopped() {
            for one in &mut followed {
                self.look(one)?;
            }
            self.tidy(&followed);
            self.bar.tick();
            let mut slept = Duration::ZERO;
            while slept < LOOK && !self.is_stopped() {
                std::thread::sleep(PAUSE);
                slept += PAUSE;
            }
        }
        for one in &mut followed {
            self.leave(one)?;
        }
        Ok(())
    }

    /// Forgets names of days that no file needs any more.
    fn tidy(&mut self, followed: &[Followed]) {
        let open = || followed.iter().filter_map(|one| one.open.as_ref());
        let earliest = open().map(|open| open.counting.last_day()).min();
        if let Some(day) = earliest.filter(|day| Some(*day) > self.tidied)
            && open().all(|open| open.counting.is_empty())
        {
            self.judge.tidy(day.minus(1));
            self.tidied = Some(day);
        }
    }

    fn look(&mut self, one: &mut Followed) -> anyhow::Result<()> {
        if let Some(open) = &mut one.open {
            self.read(open).with_context(|| one.path.display().to_string())?;
            open.counting.write(&mut self.judge, &mut self.books)?;
        }
        if one.leaving || one.open.is_none() {
            self.leave(one)?;
            return self.enter(one);
        }
        // No file has the name for a moment while it is renamed.
        if let Ok(now) = std::fs::metadata(&one.path) {
            let taken = one.open.as_ref().map_or(0, |open| open.lines.taken());
            one.leaving = Some(identity(&now)) != one.file || now.len() < taken;
        }
        Ok(())
    }

    /// Opens the file that has the name now, if one has.
    fn enter(&mut self, one: &mut Followed) -> anyhow::Result<()> {
        let Ok(metadata) = std::fs::metadata(&one.path) else { return Ok(()) };
        let is_same = one.file == Some(identity(&metadata));
        if is_same && one.left_alone == Some(metadata.len()) {
            return Ok(());
        }
        let input = Input::File(one.path.clone());
        let Ok(stream) = input.open(&ProgressBar::hidden()) else { return Ok(()) };
        // Between the two another file may have taken the name; the next look sees it.
        one.file = Some(identity(&metadata));
        one.leaving = false;
        one.open = self.open(&input, stream)?;
        let Some(open) = &mut one.open else {
            one.left_alone = Some(metadata.len());
            return Ok(());
        };
        self.read(open).with_context(|| input.name())?;
        open.counting.write(&mut self.judge, &mut self.books)
    }

    fn leave(&mut self, one: &mut Followed) -> anyhow::Result<()> {
        if let Some(open) = one.open.take() {
            self.close(&open, &Input::File(one.path.clone()));
        }
        Ok(())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
