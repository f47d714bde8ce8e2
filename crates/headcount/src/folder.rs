//! The data folder: ours or empty, and one `up` at a time.
//!
//! What it is not: a format. Each file in it belongs to a room.
//!
//! What surprises: commands beside a running `up` take no lock. Only who would write counts does. And
//! they are often root's, where `up` is another user's: what root makes here is handed over to the
//! folder's owner, or `up` could not open it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use headcount_core::site::SiteHost;
use headcount_store::control::Control;
use headcount_store::control::admin::MARK_FILE_NAME;
use headcount_store::{control, owner, sqlite};
use rustix::process::geteuid;

use crate::config::ConfigError;
use crate::edge;

/// The file whose lock says that an `up` runs.
const LOCK_FILE_NAME: &str = "up.lock";

/// The file whose lock says that an import runs: two would both take a new file for theirs.
const IMPORT_LOCK_NAME: &str = "import.lock";

/// The file whose lock says that an audit runs: they have one site.
const AUDIT_LOCK_NAME: &str = "audit.lock";

/// The file whose lock keeps an import's write and an erasure apart.
const ERASE_LOCK_NAME: &str = "erase.lock";

/// The sites that the last `up` counted, one a line: its configuration may not be at hand for a
/// command that works on the folder alone.
const SITES_FILE_NAME: &str = "sites.txt";

/// Says that the folder's counts go to a cluster, or have gone. Such a folder counts no more.
const MERGE_FILE_NAME: &str = "merge.mark";

/// The same, while it is written.
const NEW_MERGE_FILE_NAME: &str = "merge.mark.new";

/// What SQLite adds to the name of a file.
const DATABASE_PARTS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Files that are no databases.
const OTHER_FILES: [&str; 9] = [
    LOCK_FILE_NAME,
    IMPORT_LOCK_NAME,
    AUDIT_LOCK_NAME,
    ERASE_LOCK_NAME,
    SITES_FILE_NAME,
    MERGE_FILE_NAME,
    NEW_MERGE_FILE_NAME,
    MARK_FILE_NAME,
    edge::MARK_FILE_NAME,
];

/// How far a folder's way into a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Not begun.
    None,
    /// Begun: some of its counts may be in the cluster, under the number of this collector.
    Begun(u64),
    /// All of its counts are in the cluster.
    Done,
}

/// Reads the mark.
///
/// # Errors
/// If it cannot be read, or says something else.
pub(crate) fn merge(folder: &Path) -> anyhow::Result<Merge> {
    let path = folder.join(MERGE_FILE_NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) if text == "done\n" => Ok(Merge::Done),
        Ok(text) => text
            .trim_end()
            .strip_prefix("begun ")
            .and_then(|collector| u64::from_str_radix(collector, 16).ok())
            .map(Merge::Begun)
            .with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Merge::None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Writes the mark, for good: a power cut right afterwards does not take it back.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn note_merge(folder: &Path, merge: Merge) -> anyhow::Result<()> {
    let text = match merge {
        Merge::None => return Ok(()),
        Merge::Begun(collector) => format!("begun {collector:016x}\n"),
        Merge::Done => "done\n".to_owned(),
    };
    let (path, new) = (folder.join(MERGE_FILE_NAME), folder.join(NEW_MERGE_FILE_NAME));
    let write = || {
        owner::write(&new, text.as_bytes())?.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Refuses a folder whose counts go to a cluster: what it counted now would stay behind.
///
/// # Errors
/// One line with what to do.
pub(crate) fn refuse_merged(folder: &Path) -> anyhow::Result<()> {
    let at = folder.display();
    match merge(folder)? {
        Merge::None => Ok(()),
        Merge::Begun(_) => bail!(
            "data_dir = \"{at}\": its counts are being brought into a cluster; run `headcount merge` \
             to the end, and count in the cluster or in a new folder"
        ),
        Merge::Done => bail!(
            "data_dir = \"{at}\": its counts are in a cluster; count there, or in a new folder"
        ),
    }
}

/// Refuses `up` a folder whose edge was begun without a store: `up` makes its store first, so it is
/// a folder of `collect`, or its store was taken away. Its batches have numbers of another way,
/// which the local one would take for repeats, or for a gap.
///
/// # Errors
/// One line with what to do.
pub(crate) fn refuse_collected(folder: &Path) -> anyhow::Result<()> {
    let at = folder.display();
    if folder.join(edge::FILE_NAME).exists() && !folder.join(sqlite::FILE_NAME).exists() {
        bail!(
            "data_dir = \"{at}\": it was begun by `headcount collect`, or its counts ({}) are \
             missing; go on with `headcount collect` and the configuration it had, use a new \
             folder, or restore the counts",
            sqlite::FILE_NAME
        );
    }
    Ok(())
}

/// Refuses an import a folder that a process holds which has no counts there: `up` makes them first, so
/// it is `collect` before its edge file is there, or `serve`. What was counted beside them no cluster
/// would see, and `collect` would not start on it again.
///
/// # Errors
/// One line with what to do.
pub(crate) fn refuse_held(folder: &Path) -> anyhow::Result<()> {
    if !folder.join(sqlite::FILE_NAME).exists() && lock(folder)?.is_none() {
        bail!(
            "data_dir = \"{}\": a process runs on it that counts for a cluster, or has just begun; \
             import into a new folder with --data, and bring that one into the cluster: headcount \
             merge",
            folder.display()
        );
    }
    Ok(())
}

/// Refuses `collect` a folder that `up` has counted in: batches that wait in it go on with numbers
/// of which the cluster has not seen the first, which would stop a partition for everybody.
///
/// # Errors
/// One line with what to do.
pub(crate) fn refuse_counted(folder: &Path) -> anyhow::Result<()> {
    if folder.join(sqlite::FILE_NAME).exists() {
        bail!(
            "data_dir = \"{}\": `headcount up` has counted in it; bring its counts into the cluster \
             with `headcount merge`, and give `headcount collect` a new folder",
            folder.display()
        );
    }
    Ok(())
}

/// Writes down which sites are counted.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn note_sites(folder: &Path, hosts: &[SiteHost]) -> io::Result<()> {
    let text: String = hosts.iter().map(|host| format!("{host}\n")).collect();
    owner::write(&folder.join(SITES_FILE_NAME), text.as_bytes()).map(drop)
}

/// The sites that were written down; none if there never was an `up`.
pub(crate) fn noted_sites(folder: &Path) -> Vec<SiteHost> {
    let text = std::fs::read_to_string(folder.join(SITES_FILE_NAME)).unwrap_or_default();
    text.lines().filter_map(|line| SiteHost::parse(line).ok()).collect()
}

/// The file whose lock a running process holds.
pub(crate) fn lock_path(folder: &Path) -> PathBuf {
    folder.join(LOCK_FILE_NAME)
}

/// The process that runs on a folder, by the table of locks; `None` also where that cannot be read.
pub(crate) fn holder(folder: &Path) -> Option<u32> {
    let lock = std::fs::metadata(lock_path(folder)).ok()?;
    let device = (rustix::fs::major(lock.dev()), rustix::fs::minor(lock.dev()));
    lock_owner(&std::fs::read_to_string("/proc/locks").ok()?, device, lock.ino())
}

/// Who holds the lock of a file, by its device and inode. A file system without a device of its own (0)
/// may tell another number of itself here than there.
fn lock_owner(locks: &str, (major, minor): (u32, u32), inode: u64) -> Option<u32> {
    let owner = |line: &str, is_exact: bool| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", id, file, ..] = words.as_slice() else { return None };
        let mut parts = file.split(':');
        let mut device = || u32::from_str_radix(parts.next()?, 16).ok();
        let found = (device()?, device()?);
        let is_of = match is_exact {
            true => found == (major, minor),
            false => major == 0 && found.0 == 0,
        };
        (is_of && parts.next()?.parse() == Ok(inode)).then(|| id.parse().ok()).flatten()
    };
    [true, false].into_iter().find_map(|is_exact| locks.lines().find_map(|it| owner(it, is_exact)))
}

/// Makes the folder, or makes sure that it is one of ours, and that this user may work in it.
///
/// # Errors
/// [`ConfigError`] if it holds other things, or cannot be made; others if it is another user's.
pub(crate) fn prepare(folder: &Path) -> anyhow::Result<()> {
    let wrong = |what: &str| ConfigError(format!("data_dir = \"{}\": {what}", folder.display()));
    std::fs::create_dir_all(folder)
        .map_err(|error| wrong(&format!("cannot be made ({error}); name a folder that can")))?;
    refuse_anothers(folder)?;
    let ours = [control::FILE_NAME, sqlite::FILE_NAME, edge::FILE_NAME, LOCK_FILE_NAME];
    let is_ours = ours.iter().any(|name| folder.join(name).exists());
    let mut entries =
        std::fs::read_dir(folder).map_err(|error| wrong(&format!("cannot be read ({error})")))?;
    if !is_ours && entries.next().is_some() {
        let what = "holds files that are not Headcount's; choose an empty or new folder";
        return Err(wrong(what).into());
    }
    hand_over(folder)?;
    let what = "its permissions cannot be set; name a folder that is yours";
    restrict(folder).map_err(|error| wrong(&format!("{what} ({error})")).into())
}

/// Opens the folder's file of sites and tokens for who only looks. Nothing is made where there is none.
///
/// # Errors
/// If the folder is another user's, or the file cannot be opened.
pub(crate) fn look(folder: &Path) -> anyhow::Result<Option<Control>> {
    refuse_anothers(folder)?;
    let file = folder.join(control::FILE_NAME);
    if !file.try_exists().with_context(|| format!("{} cannot be looked at", file.display()))? {
        return Ok(None);
    }
    Ok(Some(Control::open(&file)?))
}

/// Gives what root has made in the folder to its owner: what was made just now, and what an older
/// version left there.
///
/// # Errors
/// If the operating system refuses.
pub(crate) fn hand_over(folder: &Path) -> anyhow::Result<()> {
    for path in files(folder) {
        owner::hand_over(&path).with_context(|| {
            format!("{} cannot be given to the owner of the folder", path.display())
        })?;
    }
    Ok(())
}

/// Refuses a folder that another user keeps to himself, or one with such a file in it.
fn refuse_anothers(folder: &Path) -> anyhow::Result<()> {
    use rustix::fs::{Access, access};
    let me = geteuid();
    let rights = Access::READ_OK | Access::WRITE_OK;
    for path in std::iter::once(folder.to_owned()).chain(files(folder)) {
        let Ok(found) = std::fs::metadata(&path) else { continue };
        let is_mine = me.is_root() || found.uid() == me.as_raw();
        if !is_mine && access(&path, rights) == Err(rustix::io::Errno::ACCESS) {
            let (at, me) = (folder.display(), me.as_raw());
            bail!(
                "data_dir = \"{at}\": {} belongs to user {}, and this is user {me}; give all of it to \
                 one of them: chown -R {me} {at}",
                path.display(),
                found.uid()
            );
        }
    }
    Ok(())
}

/// Every file that we could have made there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let databases = [control::FILE_NAME, sqlite::FILE_NAME, edge::FILE_NAME];
    let parts =
        databases.iter().flat_map(|name| DATABASE_PARTS.map(|part| format!("{name}{part}")));
    parts.chain(OTHER_FILES.map(str::to_owned)).map(|name| folder.join(name)).collect()
}

/// Nobody but the owner looks into the folder, or into a file that is made from now on.
fn restrict(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

/// Takes the folder for this process; `None` if another has it.
///
/// # Errors
/// If the lock file cannot be made.
pub(crate) fn lock(folder: &Path) -> anyhow::Result<Option<File>> {
    try_lock(&folder.join(LOCK_FILE_NAME))
}

/// Takes the folder for an audit, beside a running process; `None` if another audit has it.
///
/// # Errors
/// If the lock file cannot be made.
pub(crate) fn lock_audits(folder: &Path) -> anyhow::Result<Option<File>> {
    try_lock(&folder.join(AUDIT_LOCK_NAME))
}

/// Takes the folder for imports, beside a running `up`; `None` if another import has it.
///
/// # Errors
/// If the lock file cannot be made.
pub(crate) fn lock_imports(folder: &Path) -> anyhow::Result<Option<File>> {
    try_lock(&folder.join(IMPORT_LOCK_NAME))
}

/// Keeps an import's write and an erasure apart, for as long as the file is held. Waits for it.
///
/// # Errors
/// If the lock file cannot be made.
pub(crate) fn lock_erasing(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(ERASE_LOCK_NAME);
    let file = lock_file(&path)?;
    file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
    Ok(file)
}

fn lock_file(path: &Path) -> anyhow::Result<File> {
    owner::open(path).with_context(|| format!("{} cannot be opened", path.display()))
}

fn try_lock(path: &Path) -> anyhow::Result<Option<File>> {
    let file = lock_file(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_lock_is_read() {
        let line = "12: FLOCK  ADVISORY  WRITE 4711 08:1f:131 0 EOF";
        assert_eq!(lock_owner(line, (8, 31), 131), Some(4_711));
        for other in [
            "12: POSIX  ADVISORY  WRITE 4711 08:1f:131 0 EOF",
            "12: FLOCK  ADVISORY  READ 4711 08:1f:131 0 EOF",
            "12: -> FLOCK  ADVISORY  WRITE 4711 08:1f:131 0 EOF",
            "12: FLOCK  ADVISORY  WRITE 4711 08:1f 0 EOF",
            "",
        ] {
            assert_eq!(lock_owner(other, (8, 31), 131), None, "{other}");
        }
        assert_eq!(lock_owner(line, (8, 31), 132), None);
        assert_eq!(lock_owner(line, (8, 30), 131), None, "an inode of another device");
        let bare = "1: FLOCK  ADVISORY  WRITE 7 00:2b:131 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 8 00:2c:131 0 EOF";
        assert_eq!(lock_owner(bare, (0, 0x2c), 131), Some(8));
        assert_eq!(lock_owner(bare, (0, 0x30), 131), Some(7), "it tells two numbers of itself");
    }

    #[test]
    fn who_holds_a_folder_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()), None);
        let held = lock(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), Some(std::process::id()));
        drop(held);
        assert_eq!(holder(dir.path()), None);
    }
}
