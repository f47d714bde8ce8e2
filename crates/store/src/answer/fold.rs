//! Which attribute values are too small to be shown in an answer: a pure rule.
//!
//! What it is not: a rule for pages, clicks and totals. Those are exact. Nor the promise about
//! small values: that is kept by the close of each day (`close.rs`), after which this rule finds
//! something only for readers with a higher threshold than that.
//!
//! What surprises: `k` is compared with visitors added up over days, so one person on five days
//! would reach 5 alone. Therefore the largest single day must hold 3 different visitors too.

use std::cmp::Reverse;
use std::collections::HashSet;

/// Different visitors that the largest single day must hold (or `k`, if that is less).
const DAY_VISITORS_MIN: u32 = 3;

/// What is known of a value over the asked period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strength {
    /// Visitors of all days together.
    pub(crate) visitors: u64,
    /// Visitors of the largest day.
    pub(crate) visitors_day_max: u64,
    /// Visits of all days together.
    pub(crate) visits: u64,
    /// Visits of the largest day.
    pub(crate) visits_day_max: u64,
}

impl Strength {
    /// A single day.
    pub(crate) fn of_day(visitors: u64, visits: u64) -> Self {
        let mut day = Self::default();
        day.add_day(visitors, visits);
        day
    }

    /// Adds a day.
    pub(crate) fn add_day(&mut self, visitors: u64, visits: u64) {
        self.visitors += visitors;
        self.visitors_day_max = self.visitors_day_max.max(visitors);
        self.visits += visits;
        self.visits_day_max = self.visits_day_max.max(visits);
    }
}

/// A value of the attribute.
pub(crate) struct Value<'a> {
    pub(crate) id: i64,
    pub(crate) name: &'a str,
    pub(crate) strength: Strength,
}

/// The ids of the values that go into `(other)`: those too small for `k`, and if that is exactly
/// one, the next smallest with it (it would be the total minus the rest otherwise). A lone value
/// is folded alone. 0 and 1 fold nothing. `hidden` values that are in `(other)` for another reason
/// keep one company.
///
/// Where no value has a visitor, visitors are not counted; then visits take their place, the
/// smaller of the two numbers that are left, because the smaller one hides more.
pub(crate) fn folded(mut values: Vec<Value<'_>>, k: u32, hidden: usize) -> HashSet<i64> {
    if k <= 1 {
        return HashSet::new();
    }
    let counted = values.iter().any(|value| value.strength.visitors > 0);
    let size = |value: &Value<'_>| {
        let Strength { visitors, visitors_day_max, visits, visits_day_max } = value.strength;
        if counted { (visitors, visitors_day_max) } else { (visits, visits_day_max) }
    };
    let small = |value: &Value<'_>| {
        let (sum, day_max) = size(value);
        sum < u64::from(k) || day_max < u64::from(k.min(DAY_VISITORS_MIN))
    };
    values.sort_unstable_by_key(|value| (Reverse(small(value)), size(value).0, value.name));
    let number = match values.iter().filter(|value| small(value)).count() {
        1 if hidden == 0 => 2,
        number => number,
    };
    values.iter().take(number).map(|value| value.id).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

    fn value((id, name): (i64, &'static str), days: &[u64]) -> Value<'static> {
        let mut strength = Strength::default();
        days.iter().for_each(|visitors| strength.add_day(*visitors, visitors + 1));
        Value { id, name, strength }
    }

    fn check(values: &[&[u64]], k: u32, expect: &[i64]) {
        let values = (0..).zip(NAMES).zip(values).map(|(name, days)| value(name, days)).collect();
        let mut found: Vec<i64> = folded(values, k, 0).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, expect);
    }

    #[test]
    fn folds_what_is_small_and_never_one() {
        check(&[&[9], &[4], &[3], &[7]], 5, &[1, 2]);
        check(&[&[9], &[4], &[6], &[7]], 5, &[1, 2]);
        check(&[&[9], &[6], &[7]], 5, &[]);
        check(&[&[4]], 5, &[0]);
        check(&[&[1], &[1]], 1, &[]);
        check(&[&[1], &[1], &[9]], 0, &[]);
        check(&[&[1], &[1], &[9]], 2, &[0, 1]);
    }

    #[test]
    fn a_small_value_that_is_not_alone_takes_no_large_one_with_it() {
        let value = |id, name, visitors| {
            let mut strength = Strength::default();
            strength.add_day(visitors, visitors);
            Value { id, name, strength }
        };
        let values = || vec![value(0, "a", 9), value(1, "b", 4)];
        assert_eq!(folded(values(), 5, 0), [0, 1].into());
        assert_eq!(folded(values(), 5, 1), [1].into());
    }

    #[test]
    fn one_visitor_of_thirty_days_is_not_shown() {
        check(&[&[1; 30], &[2; 30], &[3, 3], &[9]], 5, &[0, 1]);
    }

    #[test]
    fn without_visitors_visits_take_their_place() {
        let value = |id, visits| {
            let mut strength = Strength::default();
            strength.add_day(0, visits);
            Value { id, name: "x", strength }
        };
        assert_eq!(folded(vec![value(0, 4), value(1, 1), value(2, 6)], 5, 0), [0, 1].into());
    }

    proptest! {
        #[test]
        fn shows_nothing_below_k(
            table in proptest::collection::vec(proptest::collection::vec(0u64..8, 1..5), 0..12),
            k in 0u32..9,
        ) {
            let values = || (0..).zip(NAMES).zip(&table).map(|(n, days)| value(n, days)).collect();
            let gone = folded(values(), k, 0);
            prop_assert!(gone.len() != 1 || table.len() == 1);
            let visitors = table.iter().flatten().any(|n| *n > 0);
            for (id, days) in (0..).zip(&table) {
                if visitors && k > 1 && !gone.contains(&id) {
                    prop_assert!(days.iter().sum::<u64>() >= u64::from(k));
                    prop_assert!(days.iter().max() >= Some(&u64::from(k.min(3))));
                }
            }
        }
    }
}
