//! The close of days: what is kept of small values, what still comes, and what polling sees.

use super::questions::{METRICS, lines, question};
use super::*;
use crate::error::StoreError;
use crate::question::{By, Metric, Question, TimeBucket};

const K: u32 = 5;

fn by_source(from: u32, to: u32) -> Question {
    Question {
        from: Day(from),
        to: Day(to),
        ..question(By::Attribute(Attribute::Source), &[Metric::Visitors])
    }
}

fn ask(place: &Place, from: u32, to: u32) -> Vec<String> {
    lines(&place.reader().ask(&by_source(from, to)).unwrap())
}

/// As the strict preset asks: of days that are not closed no value is told.
fn strict(from: u32, to: u32) -> Question {
    Question { open_k: None, ..by_source(from, to) }
}

#[test]
fn a_closed_day_names_large_values_and_forgets_the_names_of_small_ones() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let cells = [
        source("a.example", day, "large.example", 9),
        source("a.example", day, "/a", 6),
        source("a.example", day, "kleinerverein.example", 1),
        source("a.example", day, "(other)", 2),
        source("b.example", day, "zwei.example", 2),
        source("a.example", day + 1, "morgen.example", 8),
        page("a.example", day, "/one-reader", 1),
    ];
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    let untold = place.reader().ask(&strict(day, day)).unwrap();
    assert_eq!((lines(&untold), untold.folded), (vec!["(other) 18".to_owned()], 0));
    assert_eq!(ask(&place, day, day), ["(other) 9", "large.example 9"], "as a close would");
    assert!(holds(&place.bytes(), "kleinerverein"));
    assert_eq!(writer.close_before(Day(day + 1), K).unwrap(), 3);
    assert_eq!(ask(&place, day, day), ["(other) 9", "large.example 9"]);
    assert_eq!(ask(&place, day, day + 1), ["(other) 9", "large.example 9", "morgen.example 8"]);
    let bytes = place.bytes();
    assert!(!holds(&bytes, "kleinerverein") && !holds(&bytes, "zwei.example"));
    assert!(holds(&bytes, "/one-reader") && holds(&bytes, "morgen.example"));
    assert!(writer.audit(1).unwrap().balanced());
    // A second close, and one of fewer days, change nothing.
    assert_eq!(writer.close_before(Day(day + 1), K).unwrap(), 0);
    assert_eq!(writer.close_before(Day(day), K).unwrap(), 0);
    // What comes late is counted and not told apart; what is brought in by hand is, where it is safe.
    let late = [source("a.example", day, "large.example", 7), source("a.example", day, "neu", 8)];
    writer.apply(&insert("p-0", 2, &late)).unwrap();
    assert_eq!(ask(&place, day, day), ["(other) 24", "large.example 9"]);
    writer.apply(&insert("import:07:attributes", 1, &late[..1])).unwrap();
    let small = [source("a.example", day, "neu", 4), source("a.example", day, "/", 2)];
    writer.apply(&insert("import:08:attributes", 1, &small)).unwrap();
    assert_eq!(ask(&place, day, day), ["(other) 30", "large.example 16"]);
    assert!(!holds(&place.bytes(), "neu") && writer.audit(2).unwrap().balanced());
    drop(writer);
    let mut writer = place.writer();
    assert_eq!(writer.close_before(Day(day + 2), K).unwrap(), 0);
    assert_eq!(ask(&place, day + 1, day + 1), ["morgen.example 8"]);
    writer.compact_ledger(Day(u32::MAX)).unwrap();
    assert!(writer.audit(3).unwrap().balanced());
}

#[test]
fn with_a_higher_threshold_closed_days_are_closed_again() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let of = |day, visitors: [u64; 3]| {
        let names = ["large.example", "mittel.example", "klein.example"];
        let sized = names.into_iter().zip(visitors);
        sized.map(move |(name, visitors)| source("a.example", day, name, visitors))
    };
    let cells: Vec<Cell> = of(day, [30, 6, 5]).chain(of(day + 1, [40, 12, 7])).collect();
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    assert_eq!(writer.close_before(Day(day + 2), 3).unwrap(), 0);
    assert_eq!(ask(&place, day, day).len(), 3);
    assert_eq!(
        writer.close_before(Day(day + 1), 10).unwrap(),
        4,
        "both days, however few are asked"
    );
    assert_eq!(ask(&place, day, day), ["(other) 11", "large.example 30"]);
    assert_eq!(ask(&place, day + 1, day + 1), ["(other) 19", "large.example 40"]);
    assert!(!holds(&place.bytes(), "klein") && !holds(&place.bytes(), "mittel"));
    assert!(writer.audit(1).unwrap().balanced());
    // Back to the lower one nothing comes again, and nothing is closed anew.
    assert_eq!(writer.close_before(Day(day + 2), 3).unwrap(), 0);
    assert_eq!(ask(&place, day, day).len(), 2);
}

/// Somebody reads for a long time while a day is closed: the names are in the pages that he sees.
#[test]
fn names_that_a_reader_kept_on_the_disk_go_when_he_has() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let cells =
        [source("a.example", day, "kleinerverein.example", 1), source("a.example", day, "/a", 1)];
    writer.apply(&insert("p-0", 1, &cells)).unwrap();
    let reading = rusqlite::Connection::open(place.path()).unwrap();
    reading.execute_batch("BEGIN; SELECT * FROM counts").unwrap();
    writer.conn.busy_timeout(std::time::Duration::ZERO).unwrap();
    let error = writer.close_before(Day(day + 1), K).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    assert!(holds(&place.bytes(), "kleinerverein"), "he reads it");
    // As often as it is tried while he reads.
    writer.close_before(Day(day + 1), K).unwrap_err();
    drop(reading);
    assert_eq!(writer.close_before(Day(day + 1), K).unwrap(), 0);
    assert!(!holds(&place.bytes(), "kleinerverein"));
}

/// Design section 7 for the day that runs: small values are folded, one alone takes the next smallest
/// with it, two do not.
#[test]
fn an_open_day_is_folded_as_if_it_alone_were_asked_for() {
    for (visitors, expect) in [
        ([10, 9, 1, 1], vec!["large.example 10", "/a 9", "(other) 2"]),
        ([10, 9, 4, 1], vec!["large.example 10", "/a 9", "(other) 5"]),
        ([10, 9, 7, 1], vec!["large.example 10", "/a 9", "(other) 8"]),
        ([10, 9, 4, 4], vec!["large.example 10", "/a 9", "(other) 8"]),
        ([10, 9, 7, 5], vec!["large.example 10", "/a 9", "neu 7", "/x;-- 5"]),
    ] {
        let place = Place::new();
        let names = ["large.example", "/a", "neu", "/x;--"];
        let cells: Vec<Cell> = names
            .into_iter()
            .zip(visitors)
            .map(|(name, n)| source("a.example", FIRST_DAY, name, n))
            .collect();
        place.writer().apply(&insert("p-0", 1, &cells)).unwrap();
        let asked = Question { open_k: Some(3), ..by_source(FIRST_DAY, FIRST_DAY) };
        let mut found = lines(&place.reader().ask(&asked).unwrap());
        let mut expect: Vec<String> = expect.into_iter().map(str::to_owned).collect();
        found.sort();
        expect.sort();
        assert_eq!(found, expect, "{visitors:?}");
    }
}

#[test]
fn a_threshold_of_one_closes_nothing() {
    let place = Place::new();
    let mut writer = place.writer();
    writer.apply(&insert("p-0", 1, &[source("a.example", FIRST_DAY, "/a", 1)])).unwrap();
    assert_eq!(writer.close_before(Day(FIRST_DAY + 5), 1).unwrap(), 0);
    let all = Question { k: 1, ..by_source(FIRST_DAY, FIRST_DAY) };
    assert_eq!(lines(&place.reader().ask(&all).unwrap()), ["/a 1"]);
}

/// In the strict preset, whoever asks all day long sees nothing move but the whole, and at the close
/// each value comes at once, with `k` visitors at least.
#[test]
fn polling_sees_no_step_smaller_than_k() {
    let (place, day) = (Place::new(), FIRST_DAY);
    let mut writer = place.writer();
    let (mut shown, mut state, mut steps) = (BTreeMap::<String, u64>::new(), 7u64, 0);
    let named = |place: &Place| -> BTreeMap<String, u64> {
        let answer = place.reader().ask(&strict(day, day)).unwrap();
        let rows = answer.rows.into_iter().map(|row| (row.names[0].clone(), row.metrics[0]));
        rows.filter(|(name, _)| name != "(other)").collect()
    };
    for seq in 1..=400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let name = NAMES[usize::try_from((state >> 33) % 64).unwrap().min(8)];
        writer.apply(&insert("p-0", seq, &[source("a.example", day, name, 1)])).unwrap();
        if seq == 300 {
            writer.close_before(Day(day + 1), K).unwrap();
        }
        let now = named(&place);
        for (name, visitors) in &now {
            let step = visitors - shown.get(name).copied().unwrap_or(0);
            assert!(step == 0 || step >= u64::from(K), "{name}: {step} at {seq}");
            steps += u32::from(step > 0);
        }
        shown = now;
    }
    assert!(steps > 0 && shown.values().sum::<u64>() < 300, "{shown:?}");
}

/// Somebody who comes from many networks himself learns the rest of one value for `k` of them: the
/// figure of the limits in the README.
#[test]
fn a_sybil_pays_k_networks_for_one_value_of_one_day() {
    for own in 0..10 {
        let place = Place::new();
        let mut writer = place.writer();
        let cells = [
            source("a.example", FIRST_DAY, "ziel", 2 + own),
            source("a.example", FIRST_DAY, "/a", 40),
            source("a.example", FIRST_DAY, "/", 3),
            source("a.example", FIRST_DAY, "/x;--", 3),
        ];
        writer.apply(&insert("p-0", 1, &cells)).unwrap();
        let is_told =
            || ask(&place, FIRST_DAY, FIRST_DAY).iter().any(|row| row.starts_with("ziel"));
        assert_eq!(is_told(), own >= 3, "{own}");
        let untold = place.reader().ask(&strict(FIRST_DAY, FIRST_DAY)).unwrap();
        assert_eq!(untold.rows.len(), 1, "nothing before the close");
        writer.close_before(Day(FIRST_DAY + 1), K).unwrap();
        assert_eq!(is_told(), own >= 3, "{own}");
    }
}

fn sources() -> impl Strategy<Value = Vec<Cell>> {
    let one = (0..DAYS, 0usize..9, 1u64..9);
    let one = one.prop_map(|(day, name, n)| source("a.example", FIRST_DAY + day, NAMES[name], n));
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Totals stay, nothing small is left, the order of what comes before the close does not matter,
    /// and every period is the sum of its days.
    #[test]
    fn closed_days_are_safe_tables_that_add_up(
        (cells, shuffled) in sources()
            .prop_flat_map(|cells| (Just(cells.clone()), Just(cells).prop_shuffle())),
        open in 0..DAYS,
    ) {
        let places = [cells.clone(), shuffled].map(|cells| {
            let place = Place::new();
            let mut writer = place.writer();
            for (seq, part) in (1..).zip(cells.chunks(7)) {
                writer.apply(&insert("p-0", seq, part)).unwrap();
            }
            writer.close_before(Day(FIRST_DAY + open), K).unwrap();
            assert!(writer.audit(1).unwrap().balanced());
            place
        });
        let reader = places[0].reader();
        let sums = |question: &Question| {
            let mut sums = BTreeMap::<String, Vec<u64>>::new();
            for row in reader.ask(question).unwrap().rows {
                let sum = sums.entry(row.names[0].clone()).or_insert_with(|| vec![0; 3]);
                sum.iter_mut().zip(&row.metrics).for_each(|(sum, n)| *sum += n);
            }
            sums
        };
        let asked = |from, to, open_k| Question {
            metrics: METRICS[..3].to_vec(),
            open_k,
            ..by_source(FIRST_DAY + from, FIRST_DAY + to)
        };
        for (from, open_k) in (0..DAYS).flat_map(|from| [(from, Some(K)), (from, None)]) {
            for to in from..DAYS {
                let whole = asked(from, to, open_k);
                let mut of_days = BTreeMap::<String, Vec<u64>>::new();
                for day in from..=to {
                    for (name, numbers) in sums(&asked(day, day, open_k)) {
                        if name != "(other)" {
                            prop_assert!(numbers[1] >= u64::from(K), "{name} {numbers:?}");
                            prop_assert!(day < open || open_k.is_some(), "{name} {numbers:?}");
                        }
                        let sum = of_days.entry(name).or_insert_with(|| vec![0; 3]);
                        sum.iter_mut().zip(numbers).for_each(|(sum, n)| *sum += n);
                    }
                }
                prop_assert_eq!(sums(&whole), of_days);
                let by_day = Question { time: Some(TimeBucket::Day), ..whole.clone() };
                prop_assert_eq!(
                    lines(&reader.ask(&by_day).unwrap()),
                    lines(&places[1].reader().ask(&by_day).unwrap())
                );
            }
        }
        let total: u64 = sums(&asked(0, DAYS, Some(K))).values().map(|sum| sum[1]).sum();
        prop_assert_eq!(total, cells.iter().map(|cell| cell.2.visitors).sum::<u64>());
    }
}
