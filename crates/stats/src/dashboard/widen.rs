//! Lists of attributes over a wider period, where the asked one tells too little apart.
//!
//! What it is not: another threshold. Every wider period ends where the asked one does, and is a
//! question that the asker could have put: what days hide stays hidden in their sum
//! (`crates/README.md`, Decisions). Pages, clicks and totals are exact and never widened, and neither
//! is anything of a shared link, which has one period.
//!
//! What surprises: a wider period is often no better. Closed days have given up the names of their
//! small values for good, so where each day hides half, a year does too. Then the asked one stays.

use headcount_core::cell::Attribute;
use headcount_core::time::Day;
use headcount_store::StoreError;
use headcount_store::question::{Answer, Question};

use super::gather::Subject;
use super::panel::is_other;
use super::period::Period;
use crate::backend::Unanswered;
use crate::queue::Reading;

/// Percent of visitors in named values from which on a list tells enough.
const ENOUGH: u64 = 80;
/// Percentage points that a wider period must tell more than what is shown without it.
const MORE: u64 = 10;
/// The same of a period of more than a month: who asks about a week is not told about a year for a little.
const MUCH_MORE: u64 = 30;
/// Days of the longest period for which [`MORE`] is enough.
const MONTH_DAYS: u32 = 31;
/// A list of that many visitors has rows enough to be read, whatever else it holds.
const MANY: u64 = 1_000;
/// Rows to ask for, so that what they add up to is known. Who has more values has more than [`MANY`]
/// visitors.
pub(crate) const ROWS: u32 = 1_000;

/// How many visitors of an answer are in values with a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) named: u64,
    pub(crate) all: u64,
}

impl Told {
    /// Of an answer by an attribute. Where visitors are not counted, its first number takes their place.
    pub(crate) fn of(answer: &Answer) -> Self {
        let sum = |at: usize| {
            let mut told = Self::default();
            for row in &answer.rows {
                let number = row.metrics.get(at).copied().unwrap_or(0);
                told.all = told.all.saturating_add(number);
                told.named = told.named.saturating_add(if is_other(row) { 0 } else { number });
            }
            told
        };
        let visitors = sum(1);
        if visitors.all > 0 { visitors } else { sum(0) }
    }

    fn percent(self) -> u64 {
        let percent = u128::from(self.named) * 100 / u128::from(self.all.max(1));
        u64::try_from(percent).unwrap_or(100)
    }

    fn is_enough(self) -> bool {
        self.percent() >= ENOUGH
    }

    /// Whether a wider period has nothing to add.
    fn stays(self) -> bool {
        self.is_enough() || self.named > 0 && self.all >= MANY
    }

    /// Whether this is worth another period: so many points more, or anything where there was nothing.
    fn is_more_than(self, other: Self, points: u64) -> bool {
        if other.named == 0 {
            return self.named > 0;
        }
        self.percent() >= other.percent() + points
    }
}

/// The wider period to show, by its place among these, which are sorted by length; none: the asked one
/// stays. Each comes with its days. It must tell clearly more than what would be shown without it, or, up
/// to a month, be the first to tell enough; after one that tells enough none is looked at.
fn choose(asked: Told, wider: impl Iterator<Item = (Told, u32)>) -> Option<usize> {
    if asked.stays() {
        return None;
    }
    let (mut shown, mut place) = (asked, None);
    for (at, (told, days)) in wider.enumerate() {
        let is_long = days > MONTH_DAYS;
        let is_enough = told.is_enough() && told.is_more_than(asked, MORE) && !is_long;
        if is_enough || told.is_more_than(shown, if is_long { MUCH_MORE } else { MORE }) {
            (shown, place) = (told, Some(at));
        }
        if is_enough {
            break;
        }
    }
    place
}

/// The list of an attribute: of the asked period, or of a wider one.
#[derive(Debug)]
pub(crate) struct OfAttribute {
    pub(crate) attribute: Attribute,
    pub(crate) answer: Answer,
    /// The period of the answer, if it is not the asked one.
    pub(crate) wider: Option<Period>,
    /// Whether there were views, and nothing of them is told yet.
    pub(crate) is_withheld: bool,
}

/// What is asked while one page is gathered.
pub(crate) struct Widening<'a> {
    pub(crate) store: &'a Reading,
    pub(crate) subject: &'a Subject,
    /// Whether the asked period has views. If none, nothing is hidden in it.
    pub(crate) has_views: bool,
    /// The wider periods that hold more than the asked one, once they were needed.
    pub(crate) wider: Option<Vec<Period>>,
}

impl Widening<'_> {
    /// Asks `question` of an attribute, and again for wider periods where it tells too little: at most
    /// three times more.
    pub(crate) fn ask(
        &mut self,
        attribute: Attribute,
        question: &Question,
    ) -> Result<OfAttribute, Unanswered> {
        let asked = self.store.ask(question)?;
        let told = Told::of(&asked);
        let is_withheld = self.subject.is_exact && self.has_views && asked.rows.is_empty();
        let found = OfAttribute { attribute, answer: asked, wider: None, is_withheld };
        if self.subject.wider.is_empty() || !self.has_views || told.stays() {
            return Ok(found);
        }
        let periods = self.periods()?;
        let (mut answers, mut failed) = (Vec::new(), None);
        let wider = periods.iter().map_while(|period| {
            let (from, to) = (period.range.from, period.range.to);
            match self.store.ask(&Question { from, to, ..question.clone() }) {
                Ok(answer) => {
                    answers.push(answer);
                    answers.last().map(|answer| (Told::of(answer), period.range.days()))
                }
                Err(error) => {
                    failed = (!is_too_much(&error)).then_some(error);
                    None
                }
            }
        });
        let place = choose(told, wider);
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(at) = place else { return Ok(found) };
        let answer = answers.swap_remove(at);
        Ok(OfAttribute { answer, wider: periods.get(at).cloned(), is_withheld: false, ..found })
    }

    /// The wider periods before whose beginning there are counts; each holds more than the one before.
    fn periods(&mut self) -> Result<Vec<Period>, Unanswered> {
        if let Some(periods) = &self.wider {
            return Ok(periods.clone());
        }
        let first = self.store.first_day(&self.subject.site)?;
        let periods = holding_more(self.subject.range.from, &self.subject.wider, first);
        Ok(self.wider.insert(periods).clone())
    }
}

/// Those of `wider` that hold days with counts which the one before, or the asked one, does not.
fn holding_more(from: Day, wider: &[Period], first: Option<Day>) -> Vec<Period> {
    let Some(first) = first else { return Vec::new() };
    let before = [from].into_iter().chain(wider.iter().map(|period| period.range.from));
    let more = wider.iter().zip(before).filter(|(_, before)| first < *before);
    more.map(|(period, _)| period.clone()).collect()
}

/// Whether an answer to the question that was asked for is still good: a wider one was too much.
fn is_too_much(error: &Unanswered) -> bool {
    matches!(
        error,
        Unanswered::Busy
            | Unanswered::Store(StoreError::Unanswerable { .. } | StoreError::TimedOut)
    )
}

#[cfg(test)]
mod tests {
    use headcount_store::question::Row;
    use proptest::prelude::*;

    use super::super::panel::OTHER;
    use super::*;

    fn told(percent: u64) -> Told {
        Told { named: percent, all: 100 }
    }

    const DAYS: [u32; 3] = [7, 30, 365];

    fn chosen(asked: u64, wider: &[u64]) -> Option<usize> {
        choose(told(asked), wider.iter().copied().map(told).zip(DAYS))
    }

    #[test]
    fn the_shortest_period_that_tells_enough_is_shown() {
        for (asked, wider, place) in [
            (80, &[100, 100, 100][..], None),
            (0, &[0, 85, 100], Some(1)),
            (60, &[79, 81, 100], Some(1)),
            (79, &[80, 89, 100], Some(1)),
            // A little is no reason for a year.
            (79, &[80, 81, 100], None),
            (60, &[62, 69, 90], Some(2)),
            (0, &[40, 79, 100], Some(1)),
            // Where nothing tells enough, clearly more has to be told by each step.
            (30, &[52, 55, 55], Some(0)),
            (50, &[52, 55, 59], None),
            (10, &[19, 20, 70], Some(2)),
            (28, &[28, 40, 51], Some(1)),
            // Anything is more than nothing.
            (0, &[0, 3, 4], Some(1)),
            (0, &[0, 0, 0], None),
            (0, &[], None),
        ] {
            assert_eq!(chosen(asked, wider), place, "{asked} {wider:?}");
        }
        let many = |named| Told { named, all: MANY };
        assert_eq!(choose(many(500), [(told(90), 7)].into_iter()), None, "rows enough");
        assert_eq!(
            choose(many(0), [(told(90), 7)].into_iter()),
            Some(0),
            "a day that tells nothing"
        );
    }

    #[test]
    fn what_is_told_is_counted_in_visitors_and_without_them_in_the_first_number() {
        let row = |name: &str, metrics: &[u64]| Row {
            time: None,
            names: vec![name.to_owned()],
            metrics: metrics.to_vec(),
        };
        let of = |rows: Vec<Row>| Told::of(&Answer { rows, ..Answer::default() });
        let rows = vec![row("SE", &[90, 6]), row(OTHER, &[10, 4])];
        assert_eq!(of(rows), Told { named: 6, all: 10 });
        let rows = vec![row("SE", &[90, 0]), row(OTHER, &[10, 0])];
        assert_eq!(of(rows), Told { named: 90, all: 100 });
        assert_eq!(of(vec![]), Told::default());
        assert_eq!(of(vec![row("SE", &[u64::MAX; 2]); 2]).percent(), 100);
    }

    #[test]
    fn only_periods_that_hold_more_are_asked_about() {
        let day = |text| Day::parse(text).expect("a date");
        let first_days = ["2026-11-15", "2026-10-23", "2025-12-01"].map(day);
        let period = |from| Period::since(from, day("2026-11-21"));
        let wider = first_days.map(period);
        let asked = |first| holding_more(day("2026-11-21"), &wider, first).len();
        for (first, periods) in [
            ("2026-11-21", 0),
            ("2026-11-20", 1),
            ("2026-11-15", 1),
            ("2026-11-14", 2),
            ("2019-01-01", 3),
        ] {
            assert_eq!(asked(Some(day(first))), periods, "{first}");
        }
        assert_eq!(asked(None), 0);
    }

    proptest! {
        #[test]
        fn a_wider_period_always_tells_clearly_more(
            asked in (0u64..2_000, 0u64..2_000),
            wider in proptest::collection::vec((0u64..9_000, 0u64..9_000), 0..=DAYS.len()),
        ) {
            let told = |(named, other)| Told { named, all: named + other };
            let asked = told(asked);
            let all: Vec<(Told, u32)> = wider.into_iter().map(told).zip(DAYS).collect();
            let is_long = |it: &(Told, u32)| it.1 > MONTH_DAYS;
            let is_more = |it: &(Told, u32)| {
                it.0.is_more_than(asked, if is_long(it) { MUCH_MORE } else { MORE })
            };
            let mut looked_at = 0;
            let place = choose(asked, all.iter().copied().inspect(|_| looked_at += 1));
            prop_assert!(looked_at == 0 || !asked.stays());
            let enough = all.iter().position(|it| it.0.is_enough() && is_more(it) && !is_long(it));
            match place.map(|at| all[at]) {
                Some((shown, _)) => {
                    prop_assert!(shown.named > 0 && !asked.is_enough());
                    prop_assert!(asked.named == 0 || shown.percent() >= asked.percent() + MORE);
                    // Nothing shorter would have told enough.
                    prop_assert!(enough.is_none_or(|at| place == Some(at)));
                }
                None => prop_assert!(asked.stays() || !all.iter().any(is_more)),
            }
        }
    }
}
