//! What the thread does by the clock: days are closed, and counts go when their time is over.

use std::path::Path;

use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::time::{Hour, ManualClock};
use headcount_store::Insert;
use headcount_store::question::{By, Metric, Question};
use headcount_store::sqlite::Reader;
use headcount_store::zone::Zone;
use headcount_transport::local;

use super::*;

const RETENTION_DAYS: u32 = 30;
/// How long the thread may take to look at the clock.
const PATIENCE: Duration = Duration::from_secs(300);

fn at(day: Day, hour: u32) -> u64 {
    Hour(day.first_hour().0 + hour).unix_seconds()
}

fn fill(writer: &mut Writer, day: Day) {
    let cell = |value, visitors| {
        let key = CellKey::Attribute { day, attribute: Attribute::Source, value };
        ("a.example", key, Counts { views: visitors, visitors, visits: visitors, ..Counts::ZERO })
    };
    let page = CellKey::Page { hour: day.first_hour(), page: "/alte-seite" };
    let view = ("a.example", page, Counts { views: 1, ..Counts::ZERO });
    let cells =
        [cell("large.example", 9), cell("small.example", 1), cell("other.example", 4), view];
    let batches = vec![Batch::new(cells).unwrap()];
    let totals = Insert::totals_of(&batches).unwrap();
    let insert = Insert {
        src: local_src(1, 1),
        lo: 1,
        hi: 1,
        closed_day: day,
        batches,
        totals,
        ..Insert::default()
    };
    writer.apply(&insert).unwrap();
}

/// Names and visitors of the sources of the last weeks.
fn sources(path: &Path, day: Day) -> Vec<(String, u64)> {
    let question = Question {
        site: SiteHost::parse("a.example").unwrap(),
        from: day,
        to: day.plus(60),
        zone: Zone::default(),
        metrics: vec![Metric::Visitors],
        by: By::Attribute(Attribute::Source),
        time: None,
        pages: Vec::new(),
        order: Vec::new(),
        limit: 10,
        offset: 0,
        k: 5,
        open_k: None,
    };
    let answer = Reader::open(path).unwrap().ask(&question).unwrap();
    answer.rows.into_iter().map(|row| (row.names[0].clone(), row.metrics[0])).collect()
}

fn until(look: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if look() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    look()
}

fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn a_day_is_closed_in_time_and_goes_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (path, day) = (folder.path().join("counts.db"), Day(20_778));
    let mut writer = Writer::open(&path).unwrap();
    fill(&mut writer, day);
    let clock = Arc::new(ManualClock::at(at(day, 24 + 1)));
    let (publisher, subscriber) = local::pair(1);
    let keeping = Keeping { retention_days: RETENTION_DAYS, k_day: 5 };
    let of_thread = Arc::clone(&clock) as Arc<dyn Clock>;
    let aggregator = Aggregator::start(writer, subscriber, (1, 1), keeping, of_thread).unwrap();
    let named = |text: &str, n| (text.to_owned(), n);
    assert!(until(|| aggregator.status().books.is_some()));
    assert_eq!(sources(&path, day), [named("(other)", 14)], "an hour after its end it is open");
    clock.set(at(day, 24 + 2));
    assert!(until(|| sources(&path, day) == [named("(other)", 5), named("large.example", 9)]));
    assert!(until(|| !holds(folder.path(), "small.example")));
    // Its last day on which it can be read, and the day after.
    clock.set(at(day.plus(RETENTION_DAYS - 1), 23));
    std::thread::sleep(PATIENCE_OF_TEST);
    assert!(holds(folder.path(), "alte-seite") && sources(&path, day).len() == 2);
    clock.set(at(day.plus(RETENTION_DAYS), 0));
    assert!(until(|| sources(&path, day).is_empty()));
    assert!(
        until(|| !holds(folder.path(), "alte-seite") && !holds(folder.path(), "large.example"))
    );
    drop(publisher);
    assert!(aggregator.status().books.is_some_and(|books| books.balanced()));
    aggregator.join().unwrap();
    assert!(Writer::open(&path).is_ok(), "the books balance");
}

/// Several looks of the thread at the clock.
const PATIENCE_OF_TEST: Duration = Duration::from_millis(1_000);
