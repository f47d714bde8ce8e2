//! The views: what a person with `sqlite3` sees is what was applied.

use super::*;
use crate::error::StoreError;

const VIEWS: [&str; 6] =
    ["site_counts", "page_counts", "click_counts", "attribute_counts", "refusal_counts", "ledger"];

/// A cell's key and its five numbers.
type Keyed = (CellKey<String>, [u64; 5]);

/// Reads everything back through the views.
pub(super) fn stored(place: &Place) -> Model {
    let raw = rusqlite::Connection::open(place.path()).unwrap();
    let mut model = Model::new();
    let names = |text: String| NAMES.into_iter().chain(SITES).chain(EXTRA).find(|it| *it == text);
    let mut read = |view: &str, make: &dyn Fn(&rusqlite::Row<'_>) -> Keyed| {
        let mut get = raw.prepare(&format!("SELECT * FROM {view}")).unwrap();
        let mut rows = get.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (key, [views, visitors, visits, clicks, refused]) = make(row);
            let counts = Counts { views, visitors, visits, clicks, refused };
            let site = names(row.get("site").unwrap()).unwrap();
            let key = key.try_map(|text| names(text).ok_or(())).unwrap();
            assert_eq!(model.insert((site, key), counts), None, "{view} has {key:?} twice");
        }
    };
    read("site_counts", &|row| {
        (
            CellKey::Site { hour: hour(row) },
            [num(row, "views"), num(row, "visitors"), num(row, "visits"), num(row, "clicks"), 0],
        )
    });
    read("page_counts", &|row| {
        let key = CellKey::Page { hour: hour(row), page: text(row, "page") };
        (key, [num(row, "views"), num(row, "visitors"), num(row, "visits"), 0, 0])
    });
    read("click_counts", &|row| {
        let (page, target) = (text(row, "page"), text(row, "target"));
        (CellKey::Click { hour: hour(row), page, target }, [0, 0, 0, num(row, "clicks"), 0])
    });
    read("attribute_counts", &|row| {
        let word = text(row, "attribute");
        let attribute = Attribute::ALL.into_iter().find(|it| it.as_str() == word).unwrap();
        let key = CellKey::Attribute { day: day(row), attribute, value: text(row, "value") };
        (key, [num(row, "views"), num(row, "visitors"), num(row, "visits"), 0, 0])
    });
    read("refusal_counts", &|row| {
        let word = text(row, "reason");
        let reason = RefusalReason::ALL.into_iter().find(|it| it.as_str() == word).unwrap();
        (CellKey::Refusal { day: day(row), reason }, [0, 0, 0, 0, num(row, "refused")])
    });
    model
}

/// Names used by single tests.
const EXTRA: [&str; 5] = ["/new", "/else", "/b", "/old", "/kept"];

fn text(row: &rusqlite::Row<'_>, column: &str) -> String {
    row.get(column).unwrap()
}

fn num(row: &rusqlite::Row<'_>, column: &str) -> u64 {
    u64::try_from(row.get::<_, i64>(column).unwrap()).unwrap()
}

fn day(row: &rusqlite::Row<'_>) -> Day {
    Day::parse(&text(row, "day")).unwrap()
}

fn hour(row: &rusqlite::Row<'_>) -> Hour {
    let text = text(row, "hour");
    let (day, time) = text.split_once(' ').unwrap();
    let of_day: u32 = time.strip_suffix(":00:00").unwrap().parse().unwrap();
    Hour(Day::parse(day).unwrap().first_hour().0 + of_day)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn views_show_what_was_applied(batches in proptest::collection::vec(cells(60), 1..4)) {
        let place = Place::new();
        let mut writer = place.writer();
        for (seq, cells) in (1..).zip(&batches) {
            writer.apply(&insert("p-0", seq, cells)).unwrap();
        }
        prop_assert_eq!(stored(&place), model(&batches.concat()));
    }

    #[test]
    fn every_cell_is_handed_out_once_by_day_and_always_in_the_same_order(
        batches in proptest::collection::vec(cells(60), 1..4)
    ) {
        let place = Place::new();
        let mut writer = place.writer();
        for (seq, cells) in (1..).zip(&batches) {
            writer.apply(&insert("p-0", seq, cells)).unwrap();
        }
        let reader = place.reader();
        let read = || {
            let mut read = Vec::new();
            let taken: Result<(), StoreError> = reader.every_cell(|site, key, counts| {
                let own = key.try_map(|text| Ok::<_, StoreError>(text.to_owned()))?;
                read.push((site.to_owned(), own, counts));
                Ok(())
            });
            taken.unwrap();
            read
        };
        let first = read();
        prop_assert_eq!(&first, &read());
        prop_assert!(first.is_sorted_by_key(|(_, key, _)| key.day()));
        let expect = model(&batches.concat());
        prop_assert_eq!(first.len(), expect.len());
        for ((site, key), counts) in expect {
            let key = key.try_map(|text| Ok::<_, StoreError>(text.to_owned())).unwrap();
            prop_assert!(first.contains(&(site.to_owned(), key, counts)));
        }
    }
}

#[test]
fn hours_and_days_are_written_for_people() {
    let place = Place::new();
    let mut writer = place.writer();
    let hour = Hour(Day::parse("2026-11-21").unwrap().first_hour().0 + 9);
    let one = Counts { views: 1, ..Counts::ZERO };
    let country = Attribute::Country;
    let cells = [
        ("a.example", CellKey::Page { hour, page: "/" }, one),
        ("a.example", CellKey::Attribute { day: hour.day(), attribute: country, value: "SE" }, one),
    ];
    let mut first = insert("p-0", 1, &cells);
    first.closed_day = hour.day();
    writer.apply(&first).unwrap();
    let raw = rusqlite::Connection::open(place.path()).unwrap();
    let one = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(one("SELECT hour FROM page_counts"), "2026-11-21 09:00:00");
    assert_eq!(
        one("SELECT day || attribute || value FROM attribute_counts"),
        "2026-11-21countrySE"
    );
    assert_eq!(one("SELECT closed_day || src || kind FROM ledger"), "2026-11-21p-0batch");
}

#[test]
fn views_and_columns_are_the_promised_ones() {
    let place = Place::new();
    drop(place.writer());
    let raw = rusqlite::Connection::open(place.path()).unwrap();
    let columns = VIEWS.map(|view| {
        let get = raw.prepare(&format!("SELECT * FROM {view}")).unwrap();
        format!("{view}({})", get.column_names().collect::<Vec<_>>().join(", "))
    });
    let expect = [
        "site_counts(site, hour, views, visitors, visits, clicks)",
        "page_counts(site, hour, page, views, visitors, visits)",
        "click_counts(site, hour, page, target, clicks)",
        "attribute_counts(site, day, attribute, value, views, visitors, visits)",
        "refusal_counts(site, day, reason, refused)",
        "ledger(src, lo, hi, kind, closed_day, cells, views, visitors, visits, clicks, refused)",
    ];
    assert_eq!(columns, expect);
}

/// The shell of Debian 12 (3.40) is older than the bundled library; analysts have it.
#[test]
fn the_sqlite3_shell_reads_the_views() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.apply(&insert("p-0", 1, &[page("a.example", FIRST_DAY, "/kept", 3)])).unwrap();
    let shell = std::process::Command::new("sqlite3")
        .arg("-readonly")
        .arg(place.path())
        .arg("SELECT * FROM page_counts")
        .output()
        .expect("this test needs the sqlite3 shell: apt-get install sqlite3");
    let text = String::from_utf8_lossy(&shell.stdout);
    assert_eq!(text.trim(), "a.example|2025-12-25 00:00:00|/kept|3|3|3");
}
