//! What time takes from a cluster, done by the aggregator itself: small values when their day is over,
//! and everything of a day past its retention, to the last byte.
//!
//! What it is not: the rules. Those have their tests beside the store, which is asked there directly.
//!
//! What surprises: old counts come by `merge`, because nothing that is sent today is old.

use std::time::Duration;

use super::erasure::PLAIN;
use super::merge::{merge, said};
use super::{Cluster, shared};
use crate::audit::{SMALL, a_day_that_is_over};
use crate::import::traffic;
use crate::privacy::search::holds;
use crate::server::{Deployment as _, SITE, headcount};
use crate::until::until;

/// A page of a day past its retention, and how long ago that was.
const PAST: (&str, u64) = ("forlegad", 25);
/// While the counts are brought in nothing is past its time: a merge keeps house in its folder, too.
const LONG: &str = "retention_days = 365\nk_day = 1\n";
/// Longer than it takes to be in charge, to close days and to drop weeks.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn an_aggregator_closes_days_and_drops_what_is_past_its_retention() {
    let cluster = Cluster::new(shared(), LONG);
    let folder = tempfile::tempdir().unwrap();
    a_day_that_is_over(folder.path());
    let (name, days) = PAST;
    let then = traffic::now() - days * 86_400;
    let log = folder.path().join("past.log");
    let lines: String =
        (1..=40).map(|network| traffic::view(then, network, &format!("/{name}"))).collect();
    std::fs::write(&log, lines).unwrap();
    assert!(headcount(folder.path(), &["import", SITE, log.to_str().unwrap()]).status.success());
    said(&merge(&cluster, folder.path(), &[]));
    assert!(cluster.text(PLAIN[1]).is_some());
    let place = "SELECT arrayJoin(data_paths) FROM system.tables \
        WHERE database = currentDatabase() AND name = 'counts'";
    let place = shared().folders()[1].join(cluster.text(place).unwrap().trim());
    // All of it is there before anybody keeps house.
    let past = format!("SELECT sum(views) FROM page_counts WHERE page = '/{name}'");
    assert_eq!(cluster.number(&past), 40);
    assert_eq!(cluster.number("SELECT sum(views) FROM page_counts WHERE page = '/a'"), 40);
    assert!(cluster.number(SMALL) > 0 && holds(&place, name), "{}", place.display());

    let config = std::fs::read_to_string(cluster.config()).unwrap();
    std::fs::write(cluster.config(), config.replace(LONG, "retention_days = 9\n")).unwrap();
    let aggregator = cluster.aggregator(0, &[]).unwrap();
    for (sql, expect) in [(&*past, 0), (SMALL, 0)] {
        assert!(until(PATIENCE, || cluster.number(sql) == expect), "{sql}");
    }
    let rows = format!("SELECT count() FROM counts WHERE name = '/{name}'");
    assert!(until(PATIENCE, || cluster.number(&rows) == 0 && !holds(&place, name)), "on the disk");
    // What is kept is whole, and the books balance.
    assert_eq!(cluster.number("SELECT sum(views) FROM page_counts"), 40);
    let countries = "SELECT sum(views) FROM attribute_counts WHERE attribute = 'country'";
    assert_eq!(cluster.number(countries), 40);
    cluster.assert_balanced();
    assert_eq!(aggregator.stop(), Some(0));
}
