//! The data folder, copies of it, and what visitors were told of both.
//!
//! What it is not: a search of the disk. Copies are looked for in the folder and beside it.
//!
//! What surprises: a copy is as old as the newest count in it, and not as old as the copying.

use headcount_collector::edge_file;

use super::super::facts::{Backups, Facts, Folder, Published};
use super::{Level, Said, not_tested, ok, some};

/// Who may look into the folder.
const AS_ITS_OWNER: &str = "headcount doctor as root, or as the user of the process";

/// What of the folder could not be looked at.
fn unread(folder: &Folder) -> Option<Said> {
    let why = folder.unread.as_ref()?;
    Some(not_tested(&format!("the data folder was not seen in whole: {why}"), AS_ITS_OWNER))
}

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
    } else if let (Some(unread), true) = (unread(folder), folder.open_files.is_empty()) {
        unread
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
        unread(folder).unwrap_or_else(|| ok("everything in the data folder has one owner"))
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
            format!(
                "look like copies, and older than such are kept: {}",
                some(&folder.expired_files)
            ),
            "an erased site is still in a copy, and counts in it outlive what the notice says",
            "look at them, and delete what is a copy",
        )
    } else if folder.unknown_files.is_empty() {
        unread(folder).unwrap_or_else(|| ok("the data folder holds nothing but Headcount's files"))
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
    let Backups { kept_days, copies, unseen } = &facts.backups;
    let old = || copies.iter().filter(|copy| copy.age_days > *kept_days);
    let is_certain = old().all(|copy| copy.is_certain);
    let old: Vec<String> =
        old().map(|copy| format!("{} ({} days)", copy.name, copy.age_days)).collect();
    let look = "look at them, and delete what is a copy of the data folder; notice.backup_days says how \
                long such live";
    Some(if !old.is_empty() && facts.backups_are_said {
        (
            Level::Weakens,
            format!("backups older than notice.backup_days = {kept_days}: {}", some(&old)),
            "the notice says that they are gone by then; what was erased is still in them",
            if is_certain { "delete them, by a timer that does it from now on" } else { look },
        )
    } else if !old.is_empty() {
        (
            Level::Weakens,
            format!("backups older than the counts that are kept: {}", some(&old)),
            "counts in them outlive retention_days, and an erased site is still in them",
            if is_certain { "delete them, and set notice.backup_days" } else { look },
        )
    } else if !copies.is_empty() && !facts.backups_are_said {
        let names: Vec<String> = copies.iter().map(|copy| copy.name.clone()).collect();
        (
            Level::Advice,
            format!("copies lie beside the data folder: {}", some(&names)),
            "retention and erasing do not reach them, and the notice does not say how long they live",
            "notice.backup_days = 30, and a timer that deletes them by then",
        )
    } else if let Some(why) = unseen {
        not_tested(&format!("whether copies lie beside the data folder: {why}"), AS_ITS_OWNER)
    } else if copies.is_empty() {
        ok("no copy of the data folder lies beside it")
    } else {
        ok("no backup beside the data folder is older than notice.backup_days")
    })
}

pub(super) fn edge_version(facts: &Facts) -> Option<Said> {
    let folder = facts.folder.as_ref()?;
    let Some(version) = folder.edge_version else { return unread(folder) };
    let ours = edge_file::SCHEMA_VERSION;
    Some(if i64::from(version) > ours {
        (
            Level::Advice,
            format!("the edge file is of a newer version ({version}) than this build's ({ours})"),
            "this build does not start on it",
            "upgrade headcount, this one too",
        )
    } else if i64::from(version) < ours {
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
