//! The data folder, copies of it, and what visitors were told of both.
//!
//! What it is not: a search of the disk. Copies are looked for in the folder and beside it.
//!
//! What surprises: a copy is as old as the newest count in it, and not as old as the copying.

use super::super::facts::{Backups, Facts, Published};
use super::{EDGE_VERSION, Level, Said, not_tested, ok, some};

pub(super) fn folder_mode(facts: &Facts) -> Option<Said> {
    let Some(folder) = &facts.folder else {
        return Some(not_tested("there is no data folder yet", "headcount doctor --data DIR"));
    };
    let open = folder.mode & 0o077;
    Some(if open != 0 {
        (
            Level::Weakens,
            format!("others than its owner may enter the data folder (mode {:o})", folder.mode),
            "it holds attribute values below k, and until they leave today's page names",
            "chmod 700 on the data folder",
        )
    } else if !folder.open_files.is_empty() {
        (
            Level::Advice,
            format!("files in it are open to others: {}", some(&folder.open_files)),
            "the folder protects them only as long as nobody opens it, or copies them",
            "chmod 600 on the files in the data folder",
        )
    } else {
        ok("only its owner may look into the data folder")
    })
}

pub(super) fn folder_files(facts: &Facts) -> Option<Said> {
    let folder = facts.folder.as_ref()?;
    Some(if folder.foreign_files.is_empty() {
        ok("everything in the data folder has one owner")
    } else {
        (
            Level::Advice,
            format!("files of another owner: {}", some(&folder.foreign_files)),
            "a command was run as somebody else; the process may not be able to write them",
            "chown -R the data folder to the user of the process",
        )
    })
}

pub(super) fn folder_copies(facts: &Facts) -> Option<Said> {
    let folder = facts.folder.as_ref()?;
    Some(if !folder.expired_files.is_empty() {
        (
            Level::Weakens,
            format!("older than copies are kept: {}", some(&folder.expired_files)),
            "an erased site is still in them, and counts in them outlive what the notice says",
            "delete them",
        )
    } else if folder.unknown_files.is_empty() {
        ok("the data folder holds nothing but Headcount's files")
    } else {
        (
            Level::Advice,
            format!("not Headcount's: {}", some(&folder.unknown_files)),
            "retention and erasing do not reach copies",
            "keep copies elsewhere, and delete them after notice.backup_days",
        )
    })
}

/// Copies beside the data folder. Those elsewhere are not looked for.
pub(super) fn backups(facts: &Facts) -> Option<Said> {
    let Backups { kept_days, copies } = &facts.backups;
    let old = copies.iter().filter(|copy| copy.age_days > *kept_days);
    let old: Vec<String> =
        old.map(|copy| format!("{} ({} days)", copy.name, copy.age_days)).collect();
    Some(if !old.is_empty() && facts.backups_are_said {
        (
            Level::Weakens,
            format!("backups older than notice.backup_days = {kept_days}: {}", some(&old)),
            "the notice says that they are gone by then; what was erased is still in them",
            "delete them, by a timer that does it from now on",
        )
    } else if !old.is_empty() {
        (
            Level::Weakens,
            format!("backups older than the counts that are kept: {}", some(&old)),
            "counts in them outlive retention_days, and an erased site is still in them",
            "delete them, and set notice.backup_days",
        )
    } else if copies.is_empty() {
        ok("no copy of the data folder lies beside it")
    } else if facts.backups_are_said {
        ok("no backup beside the data folder is older than notice.backup_days")
    } else {
        let names: Vec<String> = copies.iter().map(|copy| copy.name.clone()).collect();
        (
            Level::Advice,
            format!("copies lie beside the data folder: {}", some(&names)),
            "retention and erasing do not reach them, and the notice does not say how long they live",
            "notice.backup_days = 30, and a timer that deletes them by then",
        )
    })
}

pub(super) fn edge_version(facts: &Facts) -> Option<Said> {
    let version = facts.folder.as_ref()?.edge_version?;
    Some(if version < EDGE_VERSION {
        (
            Level::Advice,
            format!("the edge file is of an older version ({version})"),
            "it is brought up to date at the next start",
            "restart headcount",
        )
    } else {
        ok("the edge file is of this version")
    })
}

pub(super) fn notice(facts: &Facts) -> Option<Said> {
    if facts.notices.is_empty() {
        let mend = "headcount doctor --notice FILE, with the notice as visitors have it";
        let what = "the published notice was not named";
        return facts.has_notice.then(|| not_tested(what, mend));
    }
    let named = |of: Published| {
        let those = facts.notices.iter().filter(move |(_, published)| *published == of);
        those.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let (other, without) = (named(Published::OfOthers), named(Published::WithoutHash));
    let mend = "headcount notice --lang en > notice.md, read what changed (--diff), and publish it";
    Some(if !other.is_empty() {
        (
            Level::Weakens,
            format!("made of other settings, or before headcount publish drew: {}", some(&other)),
            "visitors read what is no longer so",
            mend,
        )
    } else if !without.is_empty() {
        let why = "headcount notice prints it in the last line";
        (Level::Advice, format!("no hash of settings in {}", some(&without)), why, mend)
    } else {
        ok("the published notice is made of these settings")
    })
}
