//! `--follow`: files that grow, are renamed and begun anew.
//!
//! What it is not: an ear at the file system. It looks twice a second, which works on every one.
//!
//! What surprises: a file is its device and inode here. Under another name it is read on for
//! minutes, because servers go on writing to it; and it is read by one of the names only.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use headcount_core::failpoint;
use indicatif::ProgressBar;

use super::count::CountedElsewhere;
use super::input::{FileId, Input, LogFile, identity};
use super::trail::recognise;
use super::{End, Lines, Open, Run};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Time between two looks at whether it is told to stop.
const PAUSE: Duration = Duration::from_millis(50);
/// Files that are followed at most: each is open.
const FOLLOWED_MAX: usize = 64;
/// Looks at a renamed file that has not grown before it is let go: three minutes. A server that
/// is asked to open its logs anew does so when its last old connection ends.
const QUIET_LOOKS_MAX: u32 = 360;
/// Renamed files of one name that are open at most: each has a buffer.
const LEAVING_MAX: usize = 2;

/// A name that is followed.
struct Followed {
    path: PathBuf,
    /// The file that had the name at the last look.
    entered: Option<Entered>,
    /// Files that had it before.
    leaving: VecDeque<Entered>,
    /// A file that is not read, and its bytes then: until it has others.
    left_alone: Option<(FileId, u64)>,
}

/// A file that is open.
struct Entered {
    file: LogFile,
    open: Open,
    /// Looks at which it had not grown.
    quiet_looks: u32,
}

/// What a look at a file came to.
enum Going {
    On,
    /// It holds other lines than those that were read, or cannot be read.
    Over,
}

impl Followed {
    fn new(path: PathBuf) -> Self {
        Self { path, entered: None, leaving: VecDeque::new(), left_alone: None }
    }

    fn files(&self) -> impl Iterator<Item = &Entered> {
        self.entered.iter().chain(&self.leaving)
    }
}

impl Run {
    /// Counts all files, and then what is written to them, until it is told to stop.
    pub(super) fn follow(&mut self, inputs: &[Input]) -> anyhow::Result<()> {
        let mut followed = Vec::new();
        for input in inputs {
            match input {
                Input::File(path) if LogFile::open(path).is_ok_and(|file| file.grows()) => {
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
            for at in 0..followed.len() {
                let others = followed.iter().enumerate().filter(|(other, _)| *other != at);
                let held: Vec<FileId> =
                    others.flat_map(|(_, one)| one.files().map(|it| it.file.id())).collect();
                if let Some(one) = followed.get_mut(at) {
                    self.look(one, &held)?;
                }
            }
            // A file that comes under another name later is one that was counted.
            self.anew = false;
            self.tidy(&followed);
            self.bar.tick();
            let mut slept = Duration::ZERO;
            while slept < LOOK && !self.is_stopped() {
                std::thread::sleep(PAUSE);
                slept += PAUSE;
            }
        }
        for one in &followed {
            self.end(one);
        }
        Ok(())
    }

    /// Forgets names of days that no file needs any more.
    fn tidy(&mut self, followed: &[Followed]) {
        let open = || followed.iter().flat_map(Followed::files).map(|it| &it.open);
        let earliest = open().map(|open| open.counting.last_day()).min();
        if let Some(day) = earliest.filter(|day| Some(*day) > self.tidied)
            && open().all(|open| open.counting.is_empty())
        {
            self.judge.tidy(day.minus(1));
            self.tidied = Some(day);
        }
    }

    /// Reads what has come to the files of a name. `held` are those that other names read.
    fn look(&mut self, one: &mut Followed, held: &[FileId]) -> anyhow::Result<()> {
        failpoint::hit("file-looked-at");
        self.read_leaving(one)?;
        if let Some(mut entered) = one.entered.take()
            && matches!(self.go_on(one, &mut entered)?, Going::On)
        {
            // No file has the name for a moment while it is renamed.
            let now = std::fs::metadata(&one.path).map(|now| identity(&now));
            if now.map_or(true, |now| now == entered.file.id()) {
                one.entered = Some(entered);
                return Ok(());
            }
            entered.quiet_looks = 0;
            one.leaving.push_back(entered);
            if one.leaving.len() > LEAVING_MAX
                && let Some(oldest) = one.leaving.pop_front()
            {
                let name = oldest.file.name();
                self.close(&oldest.open, &name);
                self.summary.remark(format!(
                    "{name}: renamed more than {LEAVING_MAX} times within minutes; what was \
                     written last to the first of them is counted when that file is imported"
                ));
            }
        }
        self.enter(one, held)
    }

    fn read_leaving(&mut self, one: &mut Followed) -> anyhow::Result<()> {
        for mut entered in std::mem::take(&mut one.leaving) {
            let before = entered.open.lines.taken();
            if matches!(self.go_on(one, &mut entered)?, Going::Over) {
                continue;
            }
            let has_grown = entered.open.lines.taken() > before;
            entered.quiet_looks = if has_grown { 0 } else { entered.quiet_looks + 1 };
            if entered.quiet_looks < QUIET_LOOKS_MAX {
                one.leaving.push_back(entered);
            } else {
                self.close(&entered.open, &entered.file.name());
            }
        }
        Ok(())
    }

    /// Reads a file further, if it is still the one that was read.
    fn go_on(&mut self, one: &mut Followed, entered: &mut Entered) -> anyhow::Result<Going> {
        let (name, open) = (entered.file.name(), &mut entered.open);
        let (taken, bytes) = (open.lines.taken(), entered.file.bytes());
        if bytes < taken || !entered.file.still_has(open.lines.recent(), taken) {
            self.close(open, &name);
            self.summary.remark(format!(
                "{name}: was emptied and begun anew; if it was copied before, what was written to \
                 it last is counted when the copy is imported"
            ));
            return Ok(Going::Over);
        }
        match self.read_and_write(open) {
            Ok(End::OfFile) => Ok(Going::On),
            // Nothing of what was read is of the file that was recognised.
            Ok(End::OfAnother) => Ok(Going::Over),
            Ok(End::Failed(error)) => {
                self.close(open, &name);
                self.summary.fail(format!("{name}: {error}"));
                one.left_alone = Some((entered.file.id(), bytes));
                Ok(Going::Over)
            }
            // A copy of it was counted further. Entered again, it goes on from there.
            Err(error) if error.is::<CountedElsewhere>() => Ok(Going::Over),
            Err(error) => Err(error),
        }
    }

    fn read_and_write(&mut self, open: &mut Open) -> anyhow::Result<End> {
        let end = self.read(open)?;
        if !matches!(end, End::OfAnother) {
            open.counting.write(&mut self.judge, &mut self.books)?;
        }
        Ok(end)
    }

    /// Opens the file that has the name now, if one has and nobody reads it.
    fn enter(&mut self, one: &mut Followed, held: &[FileId]) -> anyhow::Result<()> {
        let Ok(file) = LogFile::open(&one.path) else { return Ok(()) };
        let (id, bytes) = (file.id(), file.bytes());
        if let Some(back) = one.leaving.iter().position(|left| left.file.id() == id) {
            one.entered = one.leaving.remove(back);
            return Ok(());
        }
        // Another name's file is entered when that one has let it go.
        if held.contains(&id) || one.left_alone == Some((id, bytes)) {
            return Ok(());
        }
        one.left_alone = Some((id, bytes));
        if !file.grows() {
            self.summary.remark(format!("{}: is compressed; import it by itself", file.name()));
            return Ok(());
        }
        let hidden = ProgressBar::hidden();
        let notes = self.books.notes()?;
        let looked = file.stream(&hidden).map(|stream| recognise(&mut Lines::new(stream), &notes));
        let begun = looked.and_then(|known| Ok((known, file.stream(&hidden)?)));
        let (known, stream) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.summary.fail(format!("{error:#}"));
                return Ok(());
            }
        };
        if let Some(open) = self.begin(file.name(), known, stream)? {
            one.left_alone = None;
            let mut entered = Entered { file, open, quiet_looks: 0 };
            if matches!(self.go_on(one, &mut entered)?, Going::On) {
                one.entered = Some(entered);
            }
        }
        Ok(())
    }

    /// Says what is left over of the files of a name.
    fn end(&mut self, one: &Followed) {
        for entered in one.files() {
            self.close(&entered.open, &entered.file.name());
        }
        if !one.leaving.is_empty() {
            self.summary.remark(format!(
                "{}: was renamed a moment ago; what a server still writes to the renamed file is \
                 counted when that is imported",
                one.path.display()
            ));
        }
    }
}
