//! The committer against an edge file that refuses a write, without threads.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::ManualClock;
use headcount_transport::local::{self, LocalSubscriber};
use prometheus_client::registry::Registry;

use super::*;
use crate::names::{NameKind, NameLimits};

const HOST: &str = "example.org";
const LIMITS: NameLimits = NameLimits {
    pages_per_site_day: 9,
    targets_per_site_day: 9,
    sources_per_site_day: 9,
    campaigns_per_site_day: 9,
    names_total: 99,
};

/// A committer on a file, with nobody on the other side but who holds the subscriber.
struct Bench {
    committer: Committer,
    state: State,
    _subscriber: LocalSubscriber,
}

impl Bench {
    fn open(path: &Path) -> Self {
        let (file, recovered) = EdgeFile::open(path, 7).unwrap();
        let (publisher, subscriber) = local::pair(16);
        let (_, inbox) = sync_channel(16);
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
            clock: Arc::new(ManualClock::at(86_400)),
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
        };
        let state = committer.begin().unwrap();
        Self { committer, state, _subscriber: subscriber }
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
