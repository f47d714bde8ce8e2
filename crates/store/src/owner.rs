//! Whose the files of a data folder are: its owner's, whoever makes them.
//!
//! What it is not: a check of rights. The operating system has those.
//!
//! What surprises: root gives commands on the folder of a service, and what root makes there would be
//! closed to the service. So root hands it over at once; but only a plain file of its own with one
//! name, and through no link: in somebody else's folder a name may lead to any file of the machine.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, stat};
use rustix::process::geteuid;

/// Opens a small file of a data folder for reading and writing, and makes it if it is missing: for
/// the folder's owner alone.
///
/// # Errors
/// If it cannot be opened, made or handed over, or if it is a link.
pub fn open(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = how.custom_flags(flags(OFlags::NOFOLLOW)).open(path)?;
    give(&file, path)?;
    Ok(file)
}

/// As [`open`], and makes the file anew with this content.
///
/// # Errors
/// As [`open`], and if it cannot be written.
pub fn write(path: &Path, content: &[u8]) -> io::Result<File> {
    use std::io::Write as _;
    let mut file = open(path)?;
    file.set_len(0)?;
    file.write_all(content)?;
    Ok(file)
}

/// Gives a file to the owner of the folder it lies in, if this is root and the file is root's; does
/// nothing where there is no such file.
///
/// # Errors
/// If the operating system refuses.
pub fn hand_over(path: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    // It is not opened: to close an SQLite file would end the locks that others in this process hold.
    match rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => give(file, path),
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn give(file: impl AsFd, path: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let (folder, found) = (stat(folder.unwrap_or(Path::new(".")))?, fstat(&file)?);
    let is_plain = FileType::from_raw_mode(found.st_mode).is_file() && found.st_nlink == 1;
    if folder.st_uid == 0 || found.st_uid != 0 || !is_plain {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(folder.st_uid), Gid::from_raw(folder.st_gid));
    Ok(chownat(file, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?)
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};

    use super::*;

    const NOBODY: u32 = 65_534;

    #[test]
    fn a_file_that_root_makes_is_the_folders_owners() {
        let dir = tempfile::tempdir().unwrap();
        chown(dir.path(), Some(NOBODY), Some(NOBODY))
            .expect("only root gives folders away; run as root: sudo -E tests/run");
        let owner = |path: &Path| std::fs::symlink_metadata(path).map(|it| (it.uid(), it.gid()));
        let [made, found, linked, twice] =
            ["made", "found", "linked", "twice"].map(|name| dir.path().join(name));
        open(&made).unwrap();
        assert_eq!(owner(&made).unwrap(), (NOBODY, NOBODY));
        // What an older version left there.
        std::fs::write(&found, "x").unwrap();
        hand_over(&found).unwrap();
        assert_eq!(owner(&found).unwrap(), (NOBODY, NOBODY));
        assert_eq!(std::fs::read(&found).unwrap(), b"x");
        hand_over(&dir.path().join("missing")).unwrap();
        // A name that leads elsewhere gives nothing away and makes nothing there.
        let other = tempfile::tempdir().unwrap();
        let [secret, new] = ["secret", "new"].map(|name| other.path().join(name));
        std::fs::write(&secret, "x").unwrap();
        symlink(&secret, &linked).unwrap();
        assert!(open(&linked).is_err() && write(&linked, b"").is_err());
        hand_over(&linked).unwrap();
        std::fs::hard_link(&secret, &twice).unwrap();
        hand_over(&twice).unwrap();
        open(&twice).unwrap();
        assert_eq!(owner(&secret).unwrap(), (0, 0));
        std::fs::remove_file(&linked).unwrap();
        symlink(&new, &linked).unwrap();
        assert!(open(&linked).is_err() && !new.exists());
    }
}
