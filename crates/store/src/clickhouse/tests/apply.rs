//! Applying: once, whatever is repeated, killed or answered.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use headcount_core::ledger::Stream;

use super::*;
use crate::error::StoreError;
use crate::sqlite::tests::page;

fn views(settings: &Settings) -> String {
    rows(settings, "SELECT page, sum(views) FROM DB.page_counts GROUP BY page ORDER BY page")
}

#[test]
fn the_ledger_says_what_was_applied() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    assert_eq!(writer.standing("kafka:hits:0").unwrap(), Default::default());
    let mut wide = insert("kafka:hits:0", 1, &[page("a.example", FIRST_DAY, "/", 1)]);
    wide.hi = 10;
    wide.last_seqs.push(BatchId { collector: u64::MAX, epoch: u64::MAX, seq: 3 });
    apply(&mut writer, &wide);
    // In another week, and a stream that did not move left out; no cell at all.
    apply(&mut writer, &insert_on("kafka:hits:0", 11, FIRST_DAY + 30, &[]));
    apply(&mut writer, &insert("kafka:hits:1", 1, &[page("a.example", FIRST_DAY, "/", 1)]));
    let check = |writer: &mut Writer| {
        let standing = writer.standing("kafka:hits:0").unwrap();
        assert_eq!(standing.applied, 11);
        let seqs: Vec<_> = standing.last_seqs.into_iter().collect();
        let far = Stream { collector: u64::MAX, epoch: u64::MAX };
        assert_eq!(seqs, [(Stream { collector: 7, epoch: 1 }, 11), (far, 3)]);
        assert_eq!(writer.standing("kafka:hits:1").unwrap().applied, 1);
    };
    check(&mut writer);
    check(&mut Writer::connect(&settings).unwrap());
    rows(&settings, "OPTIMIZE TABLE DB.counts FINAL");
    check(&mut Writer::connect(&settings).unwrap());
    let other = Writer::connect(&settings).unwrap();
    assert_eq!(other.last_audit().unwrap(), None);
    let books = writer.audit(5).unwrap();
    assert!(books.balanced() && books.checked_at == 5);
    assert_eq!(other.last_audit().unwrap(), Some(books));
    assert_eq!(rows(&settings, "SELECT uniqExact(week) FROM DB.counts"), "2");
}

#[test]
fn one_insert_is_one_part_in_one_partition() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let names: Vec<String> = (0..18_000).map(|number| format!("/{number}")).collect();
    let cells: Vec<Cell> = (0..18_000u32)
        .map(|number| page("a.example", FIRST_DAY - number % 400, leak(&names[number as usize]), 1))
        .collect();
    rows(&settings, "SYSTEM STOP MERGES DB.counts");
    let mut large = insert("p-0", 1, &cells);
    large.batches = vec![large.batches[0].clone(); 8];
    large.totals = Insert::totals_of(&large.batches).unwrap();
    apply(&mut writer, &large);
    let parts = format!(
        "SELECT count(), sum(rows) FROM system.parts WHERE active AND table = 'counts' AND database = '{}'",
        settings.database
    );
    assert_eq!(rows(&settings, &parts), "1\t18001");
    assert!(writer.audit(0).unwrap().balanced());
}

/// Names of tests live as long as the process.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[test]
fn the_same_token_twice_counts_once() {
    let settings = fresh();
    let first = insert("p-0", 1, &[page("a.example", FIRST_DAY, "/", 3)]);
    let mut writer = Writer::connect(&settings).unwrap();
    // The second writer read the standing before the first one wrote: a late twin.
    let mut late = Writer::connect(&settings).unwrap();
    assert_eq!(late.standing("p-0").unwrap().applied, 0);
    apply(&mut writer, &first);
    late.apply(&first, 0).unwrap();
    assert_eq!(views(&settings), "/\t3");
    assert_eq!(late.standing("p-0").unwrap().applied, 1);
    assert!(writer.audit(0).unwrap().balanced());
    // And what is not the next one is refused without asking the server.
    assert!(matches!(
        writer.apply(&first, 0),
        Err(ApplyError::Refused(StoreError::OutOfOrder { lo: 1, expected: 2, .. }))
    ));
    let mut wrong = insert("p-0", 2, &[page("a.example", FIRST_DAY, "/", 3)]);
    wrong.totals.views += 1;
    let refused = writer.apply(&wrong, 0).unwrap_err();
    assert!(matches!(&refused, ApplyError::Refused(StoreError::BadInsert { .. })));
    assert!(!refused.is_retryable());
}

#[test]
fn equal_batches_under_different_numbers_all_count() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    for lo in 1..=5 {
        apply(&mut writer, &insert("p-0", lo, &[page("a.example", FIRST_DAY, "/", 1)]));
    }
    assert_eq!(views(&settings), "/\t5");
}

#[test]
fn a_poisoned_token_is_found_and_the_next_attempt_counts() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let insert = insert("p-0", 1, &[page("a.example", FIRST_DAY, "/", 3)]);
    // The record of a token without its part: what a kill between the two leaves behind.
    rows(
        &settings,
        "INSERT INTO DB.counts (week, kind, src, lo, hi, n) \
         SETTINGS insert_deduplication_token = 'p-0:1', async_insert = 0 \
         VALUES ('2025-12-22', 'batch', 'other', 1, 1, 1)",
    );
    writer.apply(&insert, 0).unwrap();
    assert_eq!(writer.standing("p-0").unwrap().applied, 0, "success was answered, nothing written");
    writer.fence("p-0", 1).unwrap();
    writer.apply(&insert, 1).unwrap();
    assert_eq!(writer.standing("p-0").unwrap().applied, 1);
    assert_eq!(views(&settings), "/\t3");
    assert!(writer.audit(0).unwrap().balanced());
}

#[test]
fn the_audit_sees_a_doubled_insert_a_gap_and_a_lost_count() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    let mut late = Writer::connect(&settings).unwrap();
    assert_eq!(late.standing("p-0").unwrap().applied, 0);
    let first = insert("p-0", 1, &[page("a.example", FIRST_DAY, "/", 3)]);
    apply(&mut writer, &first);
    assert!(writer.audit(0).unwrap().balanced());
    // Another token: no deduplication. Before and after the two ledger rows are merged to one.
    late.apply(&first, 1).unwrap();
    for _ in 0..2 {
        let books = writer.audit(0).unwrap();
        assert_eq!((books.audit_delta, books.tiled), (0, false));
        rows(&settings, "OPTIMIZE TABLE DB.counts FINAL");
    }

    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    apply(&mut writer, &first);
    let rest = "'2025-12-22', 'batch', 'p-0'";
    let to = "DB.counts (week, kind, src, lo, hi, n)";
    rows(&settings, &format!("INSERT INTO {to} VALUES ({rest}, 3, 3, 1)"));
    assert!(!writer.audit(0).unwrap().tiled, "2 is missing");
    rows(&settings, &format!("INSERT INTO {to} VALUES ({rest}, 2, 2, 1)"));
    assert!(writer.audit(0).unwrap().tiled);

    // The same numbers up and down in two weeks: each partition is weighed on its own.
    for (week, views) in [("2025-12-22", 5), ("2025-12-29", -5)] {
        rows(
            &settings,
            &format!(
                "INSERT INTO DB.counts (week, kind, site, views) VALUES ('{week}', 'site', 'a', {views})"
            ),
        );
    }
    let books = writer.audit(0).unwrap();
    assert_eq!((books.audit_delta, books.tiled), (10, true));
    let reader = Reader::connect(&settings).unwrap();
    assert_eq!(reader.audit(0).unwrap(), books);
    assert_eq!(reader.books_now().unwrap(), Some(books));
}

#[test]
fn a_server_set_back_is_noticed() {
    let settings = fresh();
    let mut writer = Writer::connect(&settings).unwrap();
    for lo in 1..=3 {
        apply(&mut writer, &insert("p-0", lo, &[page("a.example", FIRST_DAY, "/", 1)]));
    }
    rows(
        &settings,
        "ALTER TABLE DB.counts DELETE WHERE lo = 3 OR name = '/' SETTINGS mutations_sync = 2",
    );
    let standing = writer.standing("p-0").unwrap();
    assert_eq!(standing.applied, 2);
    assert_eq!(standing.last_seqs.values().copied().collect::<Vec<_>>(), [2]);
}

/// Every insert adds one view to a page of its own, so a two is a double count and a gap a loss.
#[test]
fn killed_in_the_middle_the_ledger_decides() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ClickHouse::start(Some(folder.path()), &[]);
    let database = server.database();
    let pages: Vec<String> = (0..=80).map(|lo| format!("/{lo:03}")).collect();
    let mut applied = 0u64;
    for round in 0u64..6 {
        let mut writer = Writer::connect(&settings(&server, database.clone())).unwrap();
        let stood = writer.standing("p-0").unwrap().applied;
        assert!(stood >= applied, "acknowledged and gone");
        applied = stood;
        let seen = std::sync::atomic::AtomicU64::new(applied);
        // Behind the last nothing comes that could be waited for.
        let target = (applied + 3).min(80);
        std::thread::scope(|scope| {
            let killer = scope.spawn(|| {
                while seen.load(Ordering::SeqCst) < target {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                std::thread::sleep(std::time::Duration::from_millis(1 + 7 * round));
                server.kill();
            });
            while applied < 80 {
                let lo = applied + 1;
                let cells: Vec<Cell> = (0..300)
                    .map(|hour| {
                        let page = leak(&pages[usize::try_from(lo).unwrap()]);
                        crate::sqlite::tests::page("a.example", FIRST_DAY + hour, page, 1)
                    })
                    .collect();
                let done = writer.apply(&insert("p-0", lo, &cells), 0);
                match (done, writer.standing("p-0")) {
                    (_, Ok(standing)) => {
                        applied = standing.applied;
                        seen.store(applied, Ordering::SeqCst);
                    }
                    (Err(error), Err(_)) => {
                        assert!(error.is_retryable(), "{error:?}");
                        break;
                    }
                    (Ok(()), Err(_)) => break,
                }
            }
            killer.join().unwrap();
        });
        server = ClickHouse::start(Some(folder.path()), &[]);
    }
    let mut writer = Writer::connect(&settings(&server, database.clone())).unwrap();
    let applied = writer.standing("p-0").unwrap().applied;
    assert!(applied >= 18, "{applied}");
    assert!(writer.audit(0).unwrap().balanced());
    let sums = server.query(&format!(
        "SELECT count(), min(views), max(views) FROM (SELECT page, sum(views) AS views \
         FROM {database}.page_counts GROUP BY page)"
    ));
    assert_eq!(sums.trim(), format!("{applied}\t300\t300"));
}

#[test]
fn a_server_that_is_gone_is_unclear_or_refused_and_worth_another_try() {
    let mut server = ClickHouse::start(None, &[]);
    let database = server.database();
    let mut writer = Writer::connect(&settings(&server, database.clone())).unwrap();
    assert_eq!(writer.standing("p-0").unwrap().applied, 0);
    let reader = Reader::connect(&settings(&server, database)).unwrap();
    reader.ping().unwrap();
    server.kill();
    assert!(reader.ping().unwrap_err().is_retryable());
    let error =
        writer.apply(&insert("p-0", 1, &[page("a.example", FIRST_DAY, "/", 1)]), 0).unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

/// chDB runs the statements of the fence, though it lists no query by its id.
#[test]
fn the_fence_kills_by_the_beginning_of_the_id_and_looks_until_none_is_left() {
    let mut writer = Writer::connect(&fresh()).unwrap();
    writer.fence("kafka:hits:0", 1).unwrap();
    writer.sees_queries_now();
    writer.fence("kafka:hits:0", 1).unwrap();
}

pub(super) const PASS: u8 = 0;
/// Answers do not come back.
const SWALLOW_ANSWERS: u8 = 1;
/// Requests do not arrive whole.
const CUT_REQUESTS: u8 = 2;
/// The next insert does not arrive whole; then everything passes.
pub(super) const CUT_ONE_INSERT: u8 = 3;
/// The answer of the next insert does not come back; then everything passes.
pub(super) const SWALLOW_ONE_INSERT: u8 = 4;
/// The first bytes of a request that are let through when it is cut.
const KEPT_BYTES: usize = 700;

/// A way to the shared server that can lose things; its address, and what it does.
pub(super) fn lossy_way() -> (String, Arc<AtomicU8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let server = shared().url.strip_prefix("http://").unwrap().to_owned();
    let mode = Arc::new(AtomicU8::new(PASS));
    let seen = Arc::clone(&mode);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let upstream = TcpStream::connect(&server).unwrap();
            let (back, forth) = (Arc::clone(&seen), Arc::clone(&seen));
            let pair = || (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            let ((to, from), (source, target)) = (pair(), pair());
            let loses = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&loses);
            std::thread::spawn(move || copy_answers(from, to, (&back, &told)));
            std::thread::spawn(move || copy_requests(source, target, (&forth, &loses)));
        }
    });
    (address, mode)
}

/// Copies requests until the end, or until one is cut. `loses`: the answer is to be lost.
fn copy_requests(mut from: TcpStream, mut to: TcpStream, (mode, loses): (&AtomicU8, &AtomicBool)) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let request = &buffer[..read];
        let is_insert = request.windows(26).any(|it| it == b"insert_deduplication_token");
        let one = |loss| {
            let seen = Ordering::SeqCst;
            is_insert && mode.compare_exchange(loss, PASS, seen, seen).is_ok()
        };
        loses.fetch_or(one(SWALLOW_ONE_INSERT), Ordering::SeqCst);
        let cut = mode.load(Ordering::SeqCst) == CUT_REQUESTS || one(CUT_ONE_INSERT);
        let kept = if cut { KEPT_BYTES.min(read) } else { read };
        if to.write_all(&request[..kept]).is_err() || cut {
            break;
        }
    }
    close(&from, &to);
}

/// Copies answers until the end, or until one is lost.
fn copy_answers(mut from: TcpStream, mut to: TcpStream, (mode, loses): (&AtomicU8, &AtomicBool)) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let lost = mode.load(Ordering::SeqCst) == SWALLOW_ANSWERS || loses.load(Ordering::SeqCst);
        if lost || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    close(&from, &to);
}

fn close(one: &TcpStream, other: &TcpStream) {
    one.shutdown(Shutdown::Both).ok();
    other.shutdown(Shutdown::Both).ok();
}

#[test]
fn a_lost_answer_is_unclear_and_the_ledger_decides() {
    let straight = fresh();
    let (url, mode) = lossy_way();
    let mut writer = Writer::connect(&Settings { url, ..straight.clone() }).unwrap();
    let cells = [page("a.example", FIRST_DAY, "/", 1)];
    apply(&mut writer, &insert("p-0", 1, &cells));

    mode.store(SWALLOW_ANSWERS, Ordering::SeqCst);
    let error = writer.apply(&insert("p-0", 2, &cells), 0).unwrap_err();
    mode.store(PASS, Ordering::SeqCst);
    assert!(matches!(error, ApplyError::Unclear(_)) && error.is_retryable(), "{error:?}");
    writer.fence("p-0", 2).unwrap();
    assert_eq!(writer.standing("p-0").unwrap().applied, 2, "it was written");

    mode.store(CUT_REQUESTS, Ordering::SeqCst);
    let error = writer.apply(&insert("p-0", 3, &cells), 0).unwrap_err();
    mode.store(PASS, Ordering::SeqCst);
    assert!(error.is_retryable(), "{error:?}");
    writer.fence("p-0", 3).unwrap();
    assert_eq!(writer.standing("p-0").unwrap().applied, 2, "it was not written");
    apply(&mut writer, &insert("p-0", 3, &cells));
    assert_eq!(views(&straight), "/\t3");
    assert!(writer.audit(0).unwrap().balanced());
}
