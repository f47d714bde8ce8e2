//! The committer against an edge file that refuses a write, without threads.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::ManualClock;
use headcount_transport::local::{self, Heard, LocalSubscriber};
use prometheus_client::registry::Registry;

use super::*;
use crate::names::{NameKind, NameLimits};

const HOST: &str = "example.org";
const LIMITS: NameLimits = NameLimits {
    pages_per_site_day: 2_000,
    targets_per_site_day: 9,
    sources_per_site_day: 9,
    campaigns_per_site_day: 9,
    names_total: 2_000,
};

/// A committer on a file, with nobody on the other side but who holds the subscriber.
struct Bench {
    committer: Committer,
    state: State,
    commands: SyncSender<Command>,
    clock: Arc<ManualClock>,
    subscriber: LocalSubscriber,
}

impl Bench {
    fn open(path: &Path) -> Self {
        let (file, recovered) = EdgeFile::open(path, 7).unwrap();
        let (publisher, subscriber) = local::pair(16);
        let (commands, inbox) = sync_channel(16);
        let clock = Arc::new(ManualClock::at(86_400));
        let mut committer = Committer {
            names: Arc::new(Names::new(LIMITS, recovered.names.iter().cloned())),
            file,
            recovered,
            shards: vec![Arc::default()],
            doorbell: Arc::default(),
            commands: inbox,
            publisher: Box::new(publisher),
            sites: Arc::default(),
            rule: ReleaseRule { crowd: 8, admission: false },
            held_cells_max: 1_000,
            partitions: 1,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
        };
        let state = committer.begin().unwrap();
        Self { committer, state, commands, clock, subscriber }
    }

    /// The number of [`HOST`], known to cells and names.
    fn site(&mut self) -> SiteId {
        let id = self.committer.file.site_id(&host()).unwrap();
        self.state.texts.site(id, &host());
        id
    }

    /// One visitor's device: a cell that stays here, because there is no crowd.
    fn view(&self, site: SiteId) {
        let (day, attribute) = (self.committer.clock.hour().day(), Attribute::Device);
        let kind = NameKind::Value(attribute);
        let value = self.committer.names.admit(site, day, kind, "desktop");
        let counts = Counts { views: 1, visitors: 1, ..Counts::ZERO };
        let cell = (site, CellKey::Attribute { day, attribute, value }, counts);
        self.committer.shards[0].add(&[cell]);
    }

    /// One view of a page, of so many visitors.
    fn page(&self, site: SiteId, text: &str, visitors: u64) {
        let hour = self.committer.clock.hour();
        let page = self.committer.names.admit(site, hour.day(), NameKind::Page, text);
        let counts = Counts { views: 1, visitors, ..Counts::ZERO };
        self.committer.shards[0].add(&[(site, CellKey::Page { hour, page }, counts)]);
    }

    /// A round with a release, whose batches arrive.
    fn release(&mut self) {
        self.committer.round(&mut self.state, true).unwrap();
        self.committer.publish(&mut self.state).unwrap();
        while let Heard::Record(record) = self.subscriber.hear(Duration::ZERO) {
            self.subscriber.ack(record.id);
        }
        self.committer.publish(&mut self.state).unwrap();
    }

    fn names_in_file(&self) -> u32 {
        let db = self.committer.file.db();
        db.query_row("SELECT count(*) FROM names", [], |row| row.get(0)).unwrap()
    }

    /// Makes the file one that SQLite takes for damaged.
    fn break_file(&self) {
        let db = self.committer.file.db();
        db.execute_batch(
            "PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = 'CREATE TABLE' WHERE type = 'table'",
        )
        .unwrap();
        db.execute_batch("PRAGMA writable_schema = RESET").ok();
    }

    /// Makes every write that touches the sites fail, or no more.
    fn refuse_sites(&self, refuse: bool) {
        let sql = if refuse {
            "CREATE TEMP TRIGGER refuse BEFORE DELETE ON main.sites \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        } else {
            "DROP TRIGGER temp.refuse"
        };
        self.committer.file.db().execute_batch(sql).unwrap();
    }
}

fn host() -> SiteHost {
    SiteHost::parse(HOST).unwrap()
}

#[test]
fn an_erasure_that_failed_once_leaves_nothing_behind_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.db");
    let mut bench = Bench::open(&path);
    let site = bench.site();
    bench.view(site);
    bench.committer.round(&mut bench.state, true).unwrap();
    assert_eq!(bench.state.held.len(), 1, "waits for a crowd");
    bench.refuse_sites(true);
    bench.committer.erase(&mut bench.state, &host()).unwrap_err();
    assert_eq!(bench.state.held.len(), 1, "what was not written is still held");
    bench.refuse_sites(false);
    bench.committer.erase(&mut bench.state, &host()).unwrap();
    assert!(bench.state.held.is_empty());
    drop(bench);
    let (file, recovered) = EdgeFile::open(&path, 7).unwrap();
    assert!(recovered.held.is_empty());
    assert_eq!((recovered.names, file.sites().unwrap()), (vec![], vec![]));
}

/// A core that a busy machine stopped between the table of sites and its hit.
#[test]
fn a_hit_that_comes_later_than_its_sites_erasure_is_left_out_and_damages_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.db");
    let mut bench = Bench::open(&path);
    let site = bench.site();
    bench.page(site, "/before", 1);
    bench.committer.round(&mut bench.state, true).unwrap();
    bench.committer.erase(&mut bench.state, &host()).unwrap();
    let again = bench.site();
    assert_ne!(again, site);
    for (of, text) in [(site, "/late"), (again, "/counted")] {
        bench.page(of, text, 1);
        bench.view(of);
        assert_eq!(bench.committer.round(&mut bench.state, false).unwrap(), 2, "both are answered");
    }
    drop(bench);
    let (file, recovered) = EdgeFile::open(&path, 7).unwrap();
    let mut names: Vec<&str> = recovered.names.iter().map(|name| &*name.text).collect();
    names.sort_unstable();
    assert_eq!((names, recovered.held.len()), (vec!["/counted", "desktop"], 2));
    assert_eq!(file.sites().unwrap(), [(again, HOST.to_owned())]);
}

#[test]
fn a_failed_disk_ends_the_committer_whoever_asked() {
    let (sites, erase) = (sync_channel(1), sync_channel(1));
    for command in [Command::Sites(vec![host()], sites.0), Command::Erase(host(), erase.0)] {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench::open(&folder.path().join("edge.db"));
        bench.break_file();
        bench.commands.send(command).unwrap();
        let error = bench.committer.obey(&mut bench.state).unwrap_err();
        assert!(!error.is_retryable(), "{error}");
    }
    assert!(sites.1.recv().is_err() && erase.1.recv().is_err(), "no answer");
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::open(&folder.path().join("edge.db"));
    let (reply, answer) = sync_channel(1);
    bench.state.erasing.push(Erasing { tails: bench.state.shipper.tails(), reply });
    bench.break_file();
    bench.committer.publish(&mut bench.state).unwrap_err();
    drop(bench);
    assert!(answer.recv().is_err(), "no answer");
}

#[test]
fn what_was_erased_is_cleared_once_and_everybody_hears() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::open(&folder.path().join("edge.db"));
    let answers: Vec<_> = (0..3)
        .map(|_| {
            let (reply, answer) = sync_channel(1);
            bench.commands.send(Command::Erase(host(), reply)).unwrap();
            answer
        })
        .collect();
    // SQLite counts it up at every change of the schema, and clearing is one.
    let cleared = |bench: &Bench| -> i64 {
        let db = bench.committer.file.db();
        db.pragma_query_value(None, "schema_version", |row| row.get(0)).unwrap()
    };
    let before = cleared(&bench);
    assert!(!bench.committer.obey(&mut bench.state).unwrap());
    bench.committer.publish(&mut bench.state).unwrap();
    assert_eq!(cleared(&bench), before + 1);
    answers.iter().for_each(|answer| answer.try_recv().unwrap().unwrap());
}

#[test]
fn strict_admission_is_forgotten_with_the_day_although_cells_wait() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::open(&folder.path().join("edge.db"));
    bench.committer.rule.admission = true;
    let site = bench.site();
    bench.page(site, "/a", 3);
    bench.view(site);
    bench.committer.round(&mut bench.state, true).unwrap();
    assert_eq!(bench.state.held.admitted_len(), 1);
    bench.clock.set(2 * 86_400 + 2 * NAMES_GRACE_SECONDS);
    bench.view(site);
    bench.committer.round(&mut bench.state, true).unwrap();
    assert_eq!((bench.state.held.len(), bench.state.held.admitted_len()), (1, 0));
}

/// How often a text stands in the edge file and its log.
fn copies(path: &Path, text: &str) -> usize {
    let log = path.with_file_name("edge.db-wal");
    let bytes = [path, &log].map(|path| std::fs::read(path).unwrap()).concat();
    memchr::memmem::find_iter(&bytes, text).count()
}

/// Beside names of today, so that their pages stay.
#[test]
fn names_of_yesterday_leave_the_file_although_nobody_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.db");
    let mut bench = Bench::open(&path);
    let site = bench.site();
    let midnight = 2 * 86_400;
    for (day, word) in [(midnight - 60, "yesterday"), (midnight + 60, "today")] {
        bench.clock.set(day);
        for group in 0..80 {
            for n in 0..12 {
                let tail = "x".repeat((group * 37 + n * 131) % 700);
                bench.page(site, &format!("/{word}-{group}-{n}-{tail}"), 1);
            }
            bench.release();
        }
    }
    assert!(copies(&path, "/yesterday-") >= 960 && bench.state.held.is_empty());
    bench.clock.set(midnight + NAMES_GRACE_SECONDS - 1);
    bench.release();
    assert_eq!(bench.names_in_file(), 2 * 960, "a core may still add to them");
    bench.clock.set(midnight + NAMES_GRACE_SECONDS);
    bench.release();
    assert_eq!((bench.names_in_file(), bench.committer.names.total()), (960, 960));
    bench.committer.rewrite(&mut bench.state).unwrap();
    let in_memory = bench.committer.file.db().pragma_query_value(None, "temp_store", |r| r.get(0));
    assert_eq!(in_memory, Ok(2), "no copy elsewhere");
    assert_eq!(copies(&path, "/yesterday-"), 0);
    assert!(copies(&path, "/today-") >= 960 && bench.state.rewrite_at.is_none());
}
