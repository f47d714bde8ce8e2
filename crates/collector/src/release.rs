//! What may leave the edge, and when: the release rule, pure.
//!
//! What it is not: the writing. It says which cells leave and which stay; the edge file does it in
//! one transaction and this state changes only after that has succeeded.
//!
//! What surprises: page and click cells leave at once, each harmless alone. Attribute cells wait
//! for a crowd, because the attributes of one visit side by side are that visitor's row again. With a
//! start everybody is new, so all who waited from before it are one visitor to a page's name.

use std::collections::{HashMap, HashSet};

use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::tally::Tally;
use headcount_core::time::Day;

use crate::names::{NameId, SiteId};

/// Different visitors that must have asked for a page before its name leaves, in the `strict`
/// preset (`url-policy.md`, "Page admission").
pub const ADMISSION_VISITORS: u64 = 3;

/// Key of a cell at the edge.
pub type EdgeKey = CellKey<NameId>;
/// A cell at the edge.
pub type EdgeCell = (SiteId, EdgeKey, Counts);

/// The rule's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseRule {
    /// Visitors of a site that must be among its attribute cells before they leave.
    pub crowd: u64,
    /// Whether a page's name waits for [`ADMISSION_VISITORS`].
    pub admission: bool,
}

/// Cells that have not left yet.
#[derive(Default)]
pub struct Held {
    /// Counted since the last release: in the edge file's journal.
    fresh: Tally<SiteId, NameId>,
    /// Waiting since before: row for row what the edge file's table `cells` holds.
    kept: Tally<SiteId, NameId>,
    /// Pages whose names may leave, for as long as they are names.
    admitted: HashSet<NameId>,
    /// Visitors of pages among what a start found who may be others of them, or of those who came
    /// since: the key that knew them is gone. All but one of each page.
    doubtful: HashMap<NameId, u64>,
}

/// One release, worked out and not yet done.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Cells that leave now, sorted.
    pub leaving: Vec<EdgeCell>,
    /// Rows of `cells` to write: whole new values, sorted.
    pub write: Vec<EdgeCell>,
    /// Rows of `cells` to delete, sorted.
    pub delete: Vec<(SiteId, EdgeKey)>,
    admitted: Vec<NameId>,
}

impl Held {
    /// What a restart found: the rows of `cells` and the journal added up.
    pub fn recovered(kept: Tally<SiteId, NameId>, fresh: Tally<SiteId, NameId>) -> Self {
        let mut all = kept.clone();
        fresh.iter().for_each(|(site, key, counts)| all.add(*site, *key, counts));
        let mut doubtful = readers(&all);
        doubtful.values_mut().for_each(|visitors| *visitors = visitors.saturating_sub(1));
        Self { fresh, kept, admitted: HashSet::new(), doubtful }
    }

    /// Adds what a group commit has made durable.
    pub fn add(&mut self, increments: &[EdgeCell]) {
        for (site, key, counts) in increments {
            self.fresh.add(*site, *key, counts);
        }
    }

    /// Cells held.
    pub fn len(&self) -> usize {
        self.fresh.len() + self.kept.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(crate) fn admitted_len(&self) -> usize {
        self.admitted.len()
    }

    /// Works out a release. `listed` tells which pages their site lists by name; `flow` is false
    /// while the transport takes nothing: then everything stays, and is kept cell by cell.
    pub fn plan(
        &self,
        rule: ReleaseRule,
        (today, flow): (Day, bool),
        listed: impl Fn(SiteId, NameId) -> bool,
    ) -> Plan {
        self.plan_with(&[], rule, (today, flow), listed)
    }

    /// [`Held::plan`] as it would be after [`Held::add`] of `increments`.
    pub fn plan_with(
        &self,
        increments: &[EdgeCell],
        rule: ReleaseRule,
        (today, flow): (Day, bool),
        listed: impl Fn(SiteId, NameId) -> bool,
    ) -> Plan {
        let mut fresh = self.fresh.clone();
        increments.iter().for_each(|(site, key, counts)| fresh.add(*site, *key, counts));
        if !flow {
            return self.staying(&fresh);
        }
        let mut all = self.kept.clone();
        fresh.iter().for_each(|(site, key, counts)| all.add(*site, *key, counts));
        let admitted =
            if rule.admission { self.newly_admitted(&all, &listed) } else { HashSet::new() };
        let crowds = crowds(&all);
        let may_leave = |site: SiteId, key: &EdgeKey| match key {
            _ if key.day() < today => true,
            CellKey::Site { .. } | CellKey::Refusal { .. } => true,
            CellKey::Page { page, .. } | CellKey::Click { page, .. } => {
                !rule.admission
                    || *page == NameId::OTHER
                    || admitted.contains(page)
                    || self.admitted.contains(page)
            }
            CellKey::Attribute { day, .. } => {
                crowds.get(&(site, *day)).is_some_and(|visitors| *visitors >= rule.crowd)
            }
        };
        let is_admitted = |page: &NameId| {
            !rule.admission || admitted.contains(page) || self.admitted.contains(page)
        };
        let mut leaving = Tally::default();
        let mut plan = Plan::default();
        for (site, key, counts) in all.iter() {
            if may_leave(*site, key) {
                leaving.add(*site, folded(*key, is_admitted), counts);
                if self.kept.get(*site, *key).is_some() {
                    plan.delete.push((*site, *key));
                }
            } else if fresh.get(*site, *key).is_some() {
                plan.write.push((*site, *key, *counts));
            }
        }
        plan.leaving = leaving.into_sorted();
        plan.write.sort_unstable_by_key(|(site, key, _)| (*site, *key));
        plan.delete.sort_unstable();
        plan.admitted = admitted.into_iter().collect();
        plan
    }

    /// Pages that enough different visitors asked for, or that their site lists.
    fn newly_admitted(
        &self,
        cells: &Tally<SiteId, NameId>,
        listed: impl Fn(SiteId, NameId) -> bool,
    ) -> HashSet<NameId> {
        let mut readers = readers(cells);
        for (page, doubtful) in &self.doubtful {
            if let Some(seen) = readers.get_mut(page) {
                *seen = seen.saturating_sub(*doubtful);
            }
        }
        let is_read = |page| readers.get(&page).is_some_and(|seen| *seen >= ADMISSION_VISITORS);
        let pages = cells.iter().filter_map(|(site, key, _)| Some((*site, page_of(key)?)));
        let admitted = pages.filter(|(site, page)| is_read(*page) || listed(*site, *page));
        admitted.map(|(_, page)| page).collect()
    }

    /// A release while nothing may leave: what came is added to what is kept. It looks at nothing
    /// else, because an outage may have left a million cells here.
    fn staying(&self, fresh: &Tally<SiteId, NameId>) -> Plan {
        let mut write: Vec<_> = fresh
            .iter()
            .map(|(site, key, counts)| {
                let mut sum = self.kept.get(*site, *key).copied().unwrap_or_default();
                sum.add(counts);
                (*site, *key, sum)
            })
            .collect();
        write.sort_unstable_by_key(|(site, key, _)| (*site, *key));
        Plan { write, ..Plan::default() }
    }

    /// Does a release that the edge file has written.
    pub fn released(&mut self, plan: &Plan) {
        self.fresh = Tally::default();
        for (site, key) in &plan.delete {
            self.kept.remove(*site, *key);
        }
        for (site, key, counts) in &plan.write {
            self.kept.remove(*site, *key);
            self.kept.add(*site, *key, counts);
        }
        self.admitted.extend(&plan.admitted);
        for page in &plan.admitted {
            self.doubtful.remove(page);
        }
    }

    /// Forgets that pages were admitted whose names are gone. Theirs go with their day, so that
    /// what is kept here is as bounded as names are.
    pub fn forget_admitted(&mut self, is_known: impl Fn(NameId) -> bool) {
        self.admitted.retain(|page| is_known(*page));
        self.doubtful.retain(|page, _| is_known(*page));
    }

    /// What the edge file needs for an erasure of a site: the rows of `cells` to delete, and the
    /// journal without it. Both sorted; nothing is taken out yet.
    pub fn without(&self, site: SiteId) -> (Vec<(SiteId, EdgeKey)>, Vec<EdgeCell>) {
        let of_site = self.kept.iter().filter(|(of, _, _)| **of == site);
        let mut delete: Vec<_> = of_site.map(|(site, key, _)| (*site, *key)).collect();
        delete.sort_unstable();
        let mut journal = self.fresh.clone().into_sorted();
        journal.retain(|(of, _, _)| *of != site);
        (delete, journal)
    }

    /// Takes out every cell of a site that the edge file has erased.
    pub fn erase(&mut self, site: SiteId) {
        drop(self.fresh.take(|of, _| *of == site));
        drop(self.kept.take(|of, _| *of == site));
    }

    /// Whether a row of `cells` of a day before `day` stays when `gone` are deleted.
    pub fn keeps_before(&self, day: Day, gone: &[(SiteId, EdgeKey)]) -> bool {
        self.kept
            .iter()
            .any(|(site, key, _)| key.day() < day && gone.binary_search(&(*site, *key)).is_err())
    }
}

impl Plan {
    /// Whether nothing would move.
    pub fn is_empty(&self) -> bool {
        self.leaving.is_empty() && self.write.is_empty() && self.delete.is_empty()
    }
}

/// Visitors among the attribute cells of each site and day. Every visitor is in one value of every
/// attribute, so any one attribute tells; the device has the fewest values.
fn crowds(cells: &Tally<SiteId, NameId>) -> HashMap<(SiteId, Day), u64> {
    let mut crowds = HashMap::new();
    for (site, key, counts) in cells.iter() {
        if let CellKey::Attribute { day, attribute: Attribute::Device, .. } = key {
            *crowds.entry((*site, *day)).or_insert(0) += counts.visitors;
        }
    }
    crowds
}

/// Visitors of each page.
fn readers(cells: &Tally<SiteId, NameId>) -> HashMap<NameId, u64> {
    let mut readers = HashMap::new();
    for (_, key, counts) in cells.iter() {
        if let Some(page) = page_of(key) {
            *readers.entry(page).or_insert(0) += counts.visitors;
        }
    }
    readers
}

fn page_of(key: &EdgeKey) -> Option<NameId> {
    match key {
        CellKey::Page { page, .. } | CellKey::Click { page, .. } => Some(*page),
        CellKey::Site { .. } | CellKey::Attribute { .. } | CellKey::Refusal { .. } => None,
    }
}

/// The key under which a cell leaves: a page that was never admitted leaves without its name.
fn folded(key: EdgeKey, is_admitted: impl Fn(&NameId) -> bool) -> EdgeKey {
    let fold = |page: NameId| if is_admitted(&page) { page } else { NameId::OTHER };
    match key {
        CellKey::Page { hour, page } => CellKey::Page { hour, page: fold(page) },
        CellKey::Click { hour, page, target } => CellKey::Click { hour, page: fold(page), target },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use headcount_core::time::Hour;
    use proptest::prelude::*;

    use super::*;

    const SITE: SiteId = SiteId(1);
    const TODAY: Day = Day(10);
    const RULE: ReleaseRule = ReleaseRule { crowd: 8, admission: false };
    const STRICT: ReleaseRule = ReleaseRule { crowd: 8, admission: true };

    fn view(visitors: u64) -> Counts {
        Counts { views: 1, visitors, visits: 1, ..Counts::ZERO }
    }

    fn device(day: Day, value: u32, visitors: u64) -> EdgeCell {
        let key = CellKey::Attribute { day, attribute: Attribute::Device, value: NameId(value) };
        (SITE, key, view(visitors))
    }

    fn page(page: u32, visitors: u64) -> EdgeCell {
        let key = CellKey::Page { hour: TODAY.first_hour(), page: NameId(page) };
        (SITE, key, view(visitors))
    }

    fn unlisted(_: SiteId, _: NameId) -> bool {
        false
    }

    #[test]
    fn attributes_wait_for_a_crowd() {
        let mut held = Held::default();
        held.add(&[device(TODAY, 1, 4), device(TODAY, 2, 3), page(5, 1)]);
        let plan = held.plan(RULE, (TODAY, true), unlisted);
        assert_eq!(plan.leaving, [page(5, 1)]);
        assert_eq!(plan.write.len(), 2);
        held.released(&plan);
        held.add(&[device(TODAY, 1, 1)]);
        let plan = held.plan(RULE, (TODAY, true), unlisted);
        assert_eq!(plan.leaving.len(), 2);
        assert_eq!(plan.delete.len(), 2);
        held.released(&plan);
        assert!(held.is_empty());
    }

    #[test]
    fn attributes_leave_when_the_day_is_over() {
        let mut held = Held::default();
        held.add(&[device(TODAY, 1, 1)]);
        assert!(held.plan(RULE, (TODAY, true), unlisted).leaving.is_empty());
        assert_eq!(held.plan(RULE, (TODAY.plus(1), true), unlisted).leaving.len(), 1);
        assert!(held.plan(RULE, (TODAY.plus(1), false), unlisted).leaving.is_empty(), "no flow");
    }

    #[test]
    fn what_comes_while_nothing_may_leave_is_added_to_what_is_kept() {
        let mut held = Held::default();
        for _ in 0..2 {
            held.add(&[device(TODAY, 1, 1), page(5, 1)]);
            held.released(&held.plan(RULE, (TODAY, false), unlisted));
        }
        held.add(&[page(5, 1)]);
        let plan = held.plan(RULE, (TODAY, false), unlisted);
        assert!(plan.leaving.is_empty() && plan.delete.is_empty());
        let [(site, key, counts)] = plan.write[..] else { panic!("{:?}", plan.write) };
        assert_eq!(((site, key), counts.views), ((page(5, 1).0, page(5, 1).1), 3));
        held.released(&plan);
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn strict_pages_wait_for_three_visitors_and_fold_at_day_end() {
        let mut held = Held::default();
        held.add(&[page(5, 2), page(6, 1)]);
        let plan = held.plan(STRICT, (TODAY, true), |_, page| page == NameId(6));
        assert_eq!(plan.leaving, [page(6, 1)], "listed");
        held.released(&plan);
        held.add(&[page(5, 1), page(7, 1)]);
        let plan = held.plan(STRICT, (TODAY, true), unlisted);
        assert_eq!(plan.leaving.len(), 1, "third visitor");
        held.released(&plan);
        held.add(&[page(5, 0)]);
        assert_eq!(
            held.plan(STRICT, (TODAY, true), unlisted).leaving,
            [page(5, 0)],
            "stays admitted"
        );
        let plan = held.plan(STRICT, (TODAY.plus(1), true), unlisted);
        assert!(plan.leaving.iter().any(|cell| *cell == page(0, 1)), "folded {:?}", plan.leaving);
        assert!(!plan.leaving.iter().any(|cell| *cell == page(7, 1)));
    }

    #[test]
    fn admission_ends_with_the_name_and_not_before() {
        let mut held = Held::default();
        held.add(&[page(5, 3), page(6, 3)]);
        held.released(&held.plan(STRICT, (TODAY, true), unlisted));
        assert!(held.is_empty());
        held.add(&[page(5, 1)]);
        assert_eq!(held.plan(STRICT, (TODAY, true), unlisted).leaving, [page(5, 1)], "still");
        held.forget_admitted(|name| name == NameId(6));
        assert_eq!(held.admitted, HashSet::from([NameId(6)]));
        assert!(held.plan(STRICT, (TODAY, true), unlisted).leaving.is_empty());
    }

    /// What a start finds of it.
    fn restarted(held: Held) -> Held {
        Held::recovered(held.kept, held.fresh)
    }

    #[test]
    fn one_visitor_admits_no_page_by_restarts() {
        let mut held = Held::default();
        for start in 0..9 {
            held.add(&[page(5, 1)]);
            let plan = held.plan(STRICT, (TODAY, true), unlisted);
            assert!(plan.leaving.is_empty(), "start {start}");
            held.released(&plan);
            held = restarted(held);
        }
        held.add(&[page(5, 1)]);
        held.released(&held.plan(STRICT, (TODAY, true), unlisted));
        held.add(&[page(5, 1)]);
        let [(_, key, counts)] = held.plan(STRICT, (TODAY, true), unlisted).leaving[..] else {
            panic!("one from before, and two")
        };
        assert_eq!((key, counts.views, counts.visitors), (page(5, 1).1, 11, 11));
    }

    proptest! {
        #[test]
        fn every_count_leaves_exactly_once(
            steps in proptest::collection::vec((0u32..4, 0u32..4, 0u64..3, any::<bool>()), 0..60),
            admission: bool,
        ) {
            let rule = ReleaseRule { crowd: 3, admission };
            let (mut held, mut put, mut left) = (Held::default(), Counts::ZERO, Counts::ZERO);
            for (kind, name, visitors, flow) in steps {
                let cell = match kind {
                    0 => device(TODAY, name, visitors),
                    1 => page(name, visitors),
                    2 => {
                        held = restarted(held);
                        continue;
                    }
                    _ => (SITE, CellKey::Site { hour: Hour(240) }, view(visitors)),
                };
                put.add(&cell.2);
                held.add(&[cell]);
                let plan = held.plan(rule, (TODAY, flow), unlisted);
                plan.leaving.iter().for_each(|(_, _, counts)| left.add(counts));
                held.released(&plan);
            }
            let plan = held.plan(rule, (TODAY.plus(1), true), unlisted);
            plan.leaving.iter().for_each(|(_, _, counts)| left.add(counts));
            held.released(&plan);
            prop_assert_eq!(put, left);
            prop_assert!(held.is_empty());
        }

        #[test]
        fn no_batch_of_attributes_holds_less_than_a_crowd(
            steps in proptest::collection::vec((0u32..4, 0u64..2), 0..60)
        ) {
            let mut held = Held::default();
            for (value, visitors) in steps {
                held.add(&[device(TODAY, value, visitors)]);
                let plan = held.plan(RULE, (TODAY, true), unlisted);
                let crowd: u64 = plan.leaving.iter().map(|(_, _, counts)| counts.visitors).sum();
                prop_assert!(plan.leaving.is_empty() || crowd >= RULE.crowd);
                held.released(&plan);
            }
        }
    }
}
