//! What the published tables of closed days tell an attacker who adds and subtracts them.

use headcount_core::batch::Batch;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn value(name: &'static str, visitors: u64) -> DayValue<'static> {
    DayValue { name, counts: Counts { visitors, visits: visitors, ..Counts::ZERO } }
}

fn check(values: &[u64], k: u32, below: &[&str], with_them: &[&str]) {
    let values: Vec<_> = NAMES.into_iter().zip(values).map(|(name, n)| value(name, *n)).collect();
    let expect = Small { below: below.to_vec(), with_them: with_them.to_vec() };
    assert_eq!(small(&values, Attribute::Source, k), expect, "{values:?}");
}

#[test]
fn small_values_go_and_never_alone_nor_as_few() {
    check(&[9, 5, 7], 5, &[], &[]);
    check(&[9, 4, 7], 5, &["b"], &["c"]);
    check(&[9, 4, 7, 3], 5, &["d", "b"], &[]);
    check(&[9, 1, 6, 2], 5, &["b", "d"], &["c"]);
    check(&[4], 5, &["a"], &[]);
    check(&[3, 40], 5, &["a"], &["b"]);
    check(&[1, 1], 1, &[], &[]);
    check(&[1, 9], 0, &[], &[]);
    // Somebody may have seen what was in (other) before: it keeps nobody company.
    let values = [value(OTHER, 50), value("a", 2), value("b", 9)];
    assert_eq!(small(&values, Attribute::Source, 5).with_them, ["b"]);
}

#[test]
fn without_visitors_visits_are_counted() {
    let value = |name, visits| DayValue { name, counts: Counts { visits, ..Counts::ZERO } };
    let values = [value("a", 4), value("b", 1), value("c", 6)];
    assert_eq!(small(&values, Attribute::Source, 5).below, ["b", "a"]);
}

fn insert(src: &str, day: u32, values: &[(&str, u64)]) -> Insert {
    let cells = values.iter().map(|(value, visitors)| {
        let key =
            CellKey::Attribute { day: Day(day), attribute: Attribute::Country, value: *value };
        let counts = Counts { visitors: *visitors, ..Counts::ZERO };
        ("a.example", key, counts)
    });
    let batches = vec![Batch::new(cells).unwrap()];
    Insert { src: src.to_owned(), batches, ..Insert::default() }
}

#[test]
fn late_batches_name_nothing_and_imports_what_is_safe() {
    let closed = Closed { before: Day(10), k: 5 };
    let values = [("NO", 9), ("SE", 1), ("DK", 4)];
    let names = |src, day| {
        let insert = insert(src, day, &values);
        let mut names: Vec<_> =
            unnamed(&insert, closed).into_iter().map(|it| it.3.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("kafka:hits:0", 9), ["DK", "NO", "SE"]);
    assert_eq!(names("import:07:attributes", 9), ["DK", "SE"]);
    assert_eq!(names("merge:07", 9), ["DK", "SE"]);
    assert!(names("kafka:hits:0", 10).is_empty());
}

#[expect(clippy::print_stderr, reason = "figures of the attack, shown with --nocapture")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// A site's days: visitors by value.
fn days() -> impl Strategy<Value = Vec<Vec<u64>>> {
    let size = prop_oneof![3 => 0u64..4, 2 => 4u64..9, 1 => 9u64..60];
    let day = proptest::collection::vec(size, NAMES.len());
    proptest::collection::vec(day, 1..9)
}

/// What is published of a day: shown values, and the sum of the others.
fn published(day: &[u64], k: u32) -> (Vec<Option<u64>>, u64) {
    let values: Vec<_> =
        NAMES.into_iter().zip(day).filter(|it| *it.1 > 0).map(|it| value(it.0, *it.1)).collect();
    let small = small(&values, Attribute::Source, k);
    let gone = |name: &str| small.below.iter().chain(&small.with_them).any(|it| *it == name);
    let shown: Vec<Option<u64>> =
        NAMES.iter().zip(day).map(|(name, n)| Some(*n).filter(|n| *n > 0 && !gone(name))).collect();
    let other = day.iter().sum::<u64>() - shown.iter().flatten().sum::<u64>();
    (shown, other)
}

/// The narrowest interval that an attacker can put around a cell that is not shown: `None` if there
/// is no such cell. The equations are those of all ranges of days; each is a sum of those of single
/// days, so bounds come from these, and an exact propagation is one pass.
fn narrowest(
    days: &[Vec<u64>],
    publish: impl Fn(&[&[u64]]) -> (Vec<Option<u64>>, u64),
) -> Option<u64> {
    // What each range says of each value, for every range there is.
    let mut shown = std::collections::HashMap::new();
    for first in 0..days.len() {
        for end in first + 1..=days.len() {
            let range: Vec<&[u64]> = days[first..end].iter().map(|day| &day[..]).collect();
            shown.insert((first, end), publish(&range));
        }
    }
    let mut narrowest: Option<u64> = None;
    for (at, _) in days.iter().enumerate() {
        let (of_day, other) = &shown[&(at, at + 1)];
        for name in 0..NAMES.len() {
            if of_day[name].is_some() {
                continue;
            }
            // The cell is a part of what the day does not tell apart.
            let (mut least, mut most) = (0, *other);
            // A range and the same range without its first or last day.
            for ((first, end), (longer, _)) in &shown {
                let rest = match (*first == at, *end == at + 1) {
                    (true, false) => (at + 1, *end),
                    (false, true) => (*first, at),
                    _ => continue,
                };
                if let (Some(longer), Some(shorter)) = (longer[name], shown[&rest].0[name]) {
                    // Shown in both: the difference is what the day added to what is shown.
                    let added = longer - shorter;
                    (least, most) = (least.max(added), if added > 0 { added } else { most });
                }
            }
            let width = most.saturating_sub(least);
            narrowest = Some(narrowest.map_or(width, |other| other.min(width)));
        }
    }
    narrowest
}

/// As the close does: every day alone, and a range is their sum.
fn closed(range: &[&[u64]], k: u32) -> (Vec<Option<u64>>, u64) {
    let mut sum = (vec![None; NAMES.len()], 0);
    for day in range {
        let (shown, other) = published(day, k);
        for (sum, shown) in sum.0.iter_mut().zip(shown) {
            *sum = shown.map(|n| n + sum.unwrap_or(0)).or(*sum);
        }
        sum.1 += other;
    }
    sum
}

/// As it was before days were closed: the range first, and then the threshold.
fn at_question(range: &[&[u64]], k: u32) -> (Vec<Option<u64>>, u64) {
    let sums: Vec<u64> =
        (0..NAMES.len()).map(|name| range.iter().map(|day| day[name]).sum()).collect();
    published(&sums, k)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Over all ranges of days, no cell that is not shown lies in an interval narrower than `k`, or
    /// than the whole day where that is smaller: the total of a day is no secret.
    #[test]
    fn no_two_ranges_narrow_a_hidden_cell_below_k(days in days(), k in 2u32..12) {
        let least = days.iter().map(|day| day.iter().sum::<u64>()).filter(|n| *n > 0).min();
        let days: Vec<_> = days.into_iter().filter(|day| {
            // A day that hides nothing has cells of 0 only, and says so.
            published(day, k).1 > 0
        }).collect();
        if let Some(width) = narrowest(&days, |range| closed(range, k)) {
            prop_assert!(width >= u64::from(k).min(least.unwrap_or(0)), "{width} of {days:?}");
        }
    }

    #[test]
    fn totals_stay_and_nothing_below_k_is_left(days in days(), k in 0u32..12) {
        for day in &days {
            let (shown, other) = published(day, k);
            prop_assert_eq!(shown.iter().flatten().sum::<u64>() + other, day.iter().sum::<u64>());
            if k > 1 {
                prop_assert!(shown.iter().flatten().all(|n| *n >= u64::from(k)));
                // A second close finds nothing.
                let left: Vec<u64> = shown.iter().map(|n| n.unwrap_or(0)).collect();
                prop_assert_eq!(published(&left, k), (shown, 0));
            }
        }
    }
}

/// Every table of `listed` names and sizes up to `most`, by what is told of it. Where the (other) of
/// one is no larger than `most`, so that no table is missing that would tell the same, each name that
/// is not told may have `k` different sizes, or all from none to the visitors of the whole day. Gives the
/// number of answers, of hidden values in them, and how many of those are known more closely.
fn whoever_knows_the_rule(listed: u32, k: u64, most: u64) -> (usize, usize, usize) {
    let names = usize::try_from(listed).unwrap();
    let mut answers = std::collections::HashMap::<(Vec<u64>, u64), Vec<(u64, u64)>>::new();
    let mut table = vec![0; names];
    loop {
        let mut order: Vec<usize> = (0..names).filter(|name| table[*name] > 0).collect();
        order.sort_by_key(|name| (table[*name], *name));
        let sizes: Vec<u64> = order.iter().map(|name| table[*name]).collect();
        let (_, hidden) = split(&sizes, Some(listed), k);
        let other: u64 = sizes.iter().take(hidden).sum();
        if other > 0 && other <= most {
            let mut told = table.clone();
            order.iter().take(hidden).for_each(|name| told[*name] = 0);
            let known = answers.entry((told, other)).or_insert_with(|| vec![(most, 0); names]);
            for (known, size) in known.iter_mut().zip(&table) {
                *known = (known.0.min(*size), known.1.max(*size));
            }
        }
        let Some(place) = table.iter().position(|size| *size < most) else { break };
        table[place] += 1;
        table[..place].fill(0);
    }
    let (mut values, mut narrow) = (0, 0);
    for ((told, other), known) in &answers {
        let is_whole_day = told.iter().all(|size| *size == 0);
        let least = if is_whole_day { k.min(other + 1) } else { k };
        for (_, (low, high)) in told.iter().zip(known).filter(|(told, _)| **told == 0) {
            values += 1;
            narrow += usize::from(high - low + 1 < least);
        }
    }
    (answers.len(), values, narrow)
}

/// The rule and the list of devices are in everybody's hands: whoever tries all tables narrows no
/// hidden value further than that it is below `k`. With company until two values and `k` visitors, as
/// it was, two tablets and two others in one day were told to the last one.
#[test]
fn whoever_knows_rule_and_list_narrows_no_hidden_value_below_k() {
    for (listed, k, most) in
        [(4, 2, 12), (4, 3, 14), (4, 4, 15), (3, 5, 40), (3, 10, 60), (5, 3, 8)]
    {
        let (answers, values, narrow) = whoever_knows_the_rule(listed, k, most);
        say(&format!("{listed} names, k {k}: {answers} answers, {values} hidden, {narrow} narrow"));
        assert_eq!(narrow, 0, "{listed} names, k {k}");
        assert!(values > 100, "{listed} names, k {k}: {values}");
    }
}

/// The attack has teeth: where the threshold is put to each range, two of them give a cell away.
#[test]
fn a_threshold_at_the_question_is_subtracted_away() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut caught = 0;
    for _ in 0..200 {
        let days = days().new_tree(&mut runner).unwrap().current();
        let days: Vec<_> = days.into_iter().filter(|day| published(day, 5).1 > 0).collect();
        caught += u32::from(narrowest(&days, |range| at_question(range, 5)) == Some(0));
    }
    say(&format!("a threshold at the question gives a cell away in {caught} of 200 tables"));
    assert!(caught > 50, "{caught} of 200");
}

/// What small sites can still see, in percent of visitors in named values: the figures of the
/// decision in `crates/README.md`.
#[test]
fn a_site_of_a_hundred_a_day_keeps_most_of_its_countries() {
    const SHARES: [u64; 8] = [50, 15, 10, 8, 7, 5, 3, 2];
    let mut state = 20_261_121u64;
    let mut percent = |visitors: u64, k: u32| {
        let (mut shown, mut all) = (0, 0);
        for _ in 0..30 {
            let mut day = vec![0u64; NAMES.len()];
            for _ in 0..visitors {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let mut left = (state >> 33) % 100;
                let at = SHARES.iter().position(|share| {
                    let hit = left < *share;
                    left = left.saturating_sub(*share);
                    hit
                });
                day[at.unwrap()] += 1;
            }
            shown += published(&day, k).0.iter().flatten().sum::<u64>();
            all += visitors;
        }
        100 * shown / all
    };
    let figures = [10, 100, 5_000].map(|visitors| [3, 5, 10].map(|k| percent(visitors, k)));
    say(&format!("percent in named countries, 10, 100 and 5,000 a day, k 3, 5, 10: {figures:?}"));
    assert!(figures[0][1] < 50 && figures[1][1] > 75 && figures[2][1] == 100, "{figures:?}");
    assert!(figures.iter().all(|[three, five, ten]| three >= five && five >= ten), "{figures:?}");
}
