//! Which texts may become names today, and the small number each one is written as.
//!
//! What it is not: a cache of what visitors sent. A name is here after its sanitiser and its cap.
//!
//! What surprises: a name belongs to one site, one UTC day and one kind. When the day is over and
//! its cells have left, its names go too, so nothing grows for ever, and the caps are "per site
//! and day" by construction. Beyond a cap the answer is `(other)`, and totals stay exact. Numbers
//! are drawn: given in turn, those of one visit's page and attributes would stand side by side.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use headcount_core::cell::Attribute;
use headcount_core::time::Day;
use serde::{Deserialize, Serialize};

/// A site at this edge: a row of the edge file.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
pub struct SiteId(pub u32);

/// A name at this edge: a row of the edge file.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
pub struct NameId(pub u32);

impl NameId {
    /// `(other)`: what is beyond a cap. The one name that needs no row.
    pub const OTHER: Self = Self(0);
}

/// The text of [`NameId::OTHER`].
pub const OTHER: &str = "(other)";

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameKind {
    /// A page.
    Page,
    /// A click target or event.
    Target,
    /// A value of an attribute.
    Value(Attribute),
}

impl NameKind {
    /// How the edge file writes it.
    pub fn code(self) -> u8 {
        match self {
            Self::Page => 0,
            Self::Target => 1,
            Self::Value(attribute) => {
                let at = Attribute::ALL.iter().position(|a| *a == attribute).unwrap_or(0);
                u8::try_from(at).unwrap_or(0) + 2
            }
        }
    }

    /// Reads what [`NameKind::code`] wrote.
    pub fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Page),
            1 => Some(Self::Target),
            _ => Attribute::ALL.get(usize::from(code) - 2).map(|a| Self::Value(*a)),
        }
    }
}

/// Names at most, per site and UTC day and in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameLimits {
    /// Pages per site and day.
    pub pages_per_site_day: usize,
    /// Click targets and events per site and day.
    pub targets_per_site_day: usize,
    /// Sources per site and day.
    pub sources_per_site_day: usize,
    /// Values of each campaign key per site and day.
    pub campaigns_per_site_day: usize,
    /// Names of all sites, kinds and unfinished days together: what bounds the memory.
    pub names_total: usize,
}

impl NameLimits {
    fn of(&self, kind: NameKind) -> usize {
        match kind {
            NameKind::Page => self.pages_per_site_day,
            NameKind::Target => self.targets_per_site_day,
            NameKind::Value(Attribute::Source) => self.sources_per_site_day,
            NameKind::Value(
                Attribute::UtmSource | Attribute::UtmMedium | Attribute::UtmCampaign,
            ) => self.campaigns_per_site_day,
            // Closed lists: the parser's families, the world's countries.
            NameKind::Value(
                Attribute::Country | Attribute::Device | Attribute::Browser | Attribute::Os,
            ) => usize::MAX,
        }
    }
}

/// A name as the edge file keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its number.
    pub id: NameId,
    /// Whose name.
    pub site: SiteId,
    /// On which day.
    pub day: Day,
    /// Of what.
    pub kind: NameKind,
    /// The clean text.
    pub text: Box<str>,
}

type Shelf = (SiteId, Day, NameKind);
type Texts = HashMap<Box<str>, NameId, RandomState>;

/// Every name of the unfinished days, for all cores.
pub struct Names {
    limits: NameLimits,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    shelves: HashMap<Shelf, Texts, RandomState>,
    total: usize,
    /// Every number in use.
    taken: HashSet<NameId, RandomState>,
    unsaved: Vec<Name>,
}

impl Names {
    /// Starts from the names that the edge file holds.
    pub fn new(limits: NameLimits, saved: impl IntoIterator<Item = Name>) -> Self {
        let mut inner = Inner::default();
        for name in saved {
            inner.taken.insert(name.id);
            inner.total += 1;
            let shelf = (name.site, name.day, name.kind);
            inner.shelves.entry(shelf).or_default().insert(name.text, name.id);
        }
        Self { limits, inner: Mutex::new(inner) }
    }

    /// The number of a text, admitting it if there is room; else `(other)`.
    pub fn admit(&self, site: SiteId, day: Day, kind: NameKind, text: &str) -> NameId {
        if text == OTHER {
            return NameId::OTHER;
        }
        let mut inner = self.lock();
        let inner = &mut *inner;
        let shelf = inner.shelves.entry((site, day, kind)).or_default();
        if let Some(id) = shelf.get(text) {
            return *id;
        }
        if shelf.len() >= self.limits.of(kind) || inner.total >= self.limits.names_total {
            return NameId::OTHER;
        }
        let Some(id) = drawn(&mut inner.taken) else { return NameId::OTHER };
        inner.total += 1;
        shelf.insert(text.into(), id);
        inner.unsaved.push(Name { id, site, day, kind, text: text.into() });
        id
    }

    /// Takes the names that the edge file does not hold yet. They must be given back with
    /// [`Names::not_saved`] if writing them fails.
    pub fn take_unsaved(&self) -> Vec<Name> {
        std::mem::take(&mut self.lock().unsaved)
    }

    /// Gives back what could not be written.
    pub fn not_saved(&self, names: Vec<Name>) {
        let mut inner = self.lock();
        let newer = std::mem::replace(&mut inner.unsaved, names);
        inner.unsaved.extend(newer);
    }

    /// Forgets the names of days before `day`, all of whose cells have left.
    pub fn forget_before(&self, day: Day) {
        let mut inner = self.lock();
        inner.shelves.retain(|(_, of, _), _| *of >= day);
        inner.count();
        inner.unsaved.retain(|name| name.day >= day);
    }

    /// Forgets the names of an erased site, whose number is never given again.
    pub fn forget_site(&self, site: SiteId) {
        let mut inner = self.lock();
        inner.shelves.retain(|(of, _, _), _| *of != site);
        inner.count();
        inner.unsaved.retain(|name| name.site != site);
    }

    /// Number of names held.
    pub fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts again, after names were forgotten.
    fn count(&mut self) {
        self.taken = self.shelves.values().flat_map(HashMap::values).copied().collect();
        self.total = self.taken.len();
    }
}

/// A number that nobody has, at random; `None` if the machine has no randomness to give.
fn drawn(taken: &mut HashSet<NameId, RandomState>) -> Option<NameId> {
    loop {
        let id = NameId(getrandom::u32().ok()?);
        if id != NameId::OTHER && taken.insert(id) {
            return Some(id);
        }
    }
}

/// One core's copy of the names it met today, so that the hot path takes no lock.
#[derive(Default)]
pub struct KnownNames {
    day: Day,
    numbers: hashbrown::HashMap<KnownName, NameId, RandomState>,
}

#[derive(PartialEq, Eq, Hash)]
struct KnownName {
    site: SiteId,
    kind: NameKind,
    text: Box<str>,
}

/// A [`KnownName`] whose text is looked for, not kept.
#[derive(Hash)]
struct Asked<'a> {
    site: SiteId,
    kind: NameKind,
    text: &'a str,
}

impl hashbrown::Equivalent<KnownName> for Asked<'_> {
    fn equivalent(&self, known: &KnownName) -> bool {
        *self.text == *known.text && self.site == known.site && self.kind == known.kind
    }
}

impl KnownNames {
    /// The number of a text, asking `names` where it is new here.
    pub fn number(
        &mut self,
        names: &Names,
        at: (SiteId, Day),
        kind: NameKind,
        text: &str,
    ) -> NameId {
        let (site, day) = at;
        if self.day != day {
            *self = Self { day, ..Self::default() };
        }
        if let Some(id) = self.numbers.get(&Asked { site, kind, text }) {
            return *id;
        }
        let id = names.admit(site, day, kind, text);
        // `(other)` is not kept: it would be kept under every text there is.
        if id != NameId::OTHER {
            self.numbers.insert(KnownName { site, kind, text: text.into() }, id);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: NameLimits = NameLimits {
        pages_per_site_day: 2,
        targets_per_site_day: 9,
        sources_per_site_day: 9,
        campaigns_per_site_day: 9,
        names_total: 5,
    };
    const AT: (SiteId, Day) = (SiteId(1), Day(1));

    #[test]
    fn beyond_the_cap_is_other() {
        let names = Names::new(LIMITS, []);
        let mut known = KnownNames::default();
        let mut number = |at, text| known.number(&names, at, NameKind::Page, text);
        let (a, b) = (number(AT, "/a"), number(AT, "/b"));
        assert_ne!(a, b);
        assert_eq!(number(AT, "/c"), NameId::OTHER);
        assert_eq!((number(AT, "/a"), number(AT, "/b")), (a, b));
        assert_ne!(number((SiteId(2), Day(1)), "/c"), NameId::OTHER, "another site");
        assert_ne!(number((SiteId(1), Day(2)), "/c"), NameId::OTHER, "another day");
        assert_ne!(number((SiteId(1), Day(2)), "/d"), NameId::OTHER);
        assert_eq!(number((SiteId(3), Day(2)), "/e"), NameId::OTHER, "total");
        assert_eq!(names.total(), 5);
        names.forget_before(Day(2));
        assert_eq!(names.total(), 2);
    }

    #[test]
    fn starts_from_what_was_saved() {
        let names = Names::new(LIMITS, []);
        let a = names.admit(AT.0, AT.1, NameKind::Page, "/a");
        let saved = names.take_unsaved();
        assert_eq!(saved.len(), 1);
        names.not_saved(saved.clone());
        assert_eq!(names.take_unsaved(), saved);
        let again = Names::new(LIMITS, saved);
        assert_eq!(again.admit(AT.0, AT.1, NameKind::Page, "/a"), a);
        assert_ne!(again.admit(AT.0, AT.1, NameKind::Page, "/b"), a);
        assert!(again.take_unsaved().len() == 1);
    }

    /// Given in turn, they would tell which names one visit brought.
    #[test]
    fn numbers_tell_nothing_of_the_order_of_arrival() {
        let limits = NameLimits { pages_per_site_day: 1_000, names_total: 1_000, ..LIMITS };
        let names = Names::new(limits, []);
        let given: Vec<_> = (0..1_000)
            .map(|n| names.admit(AT.0, AT.1, NameKind::Page, &format!("/{n}")).0)
            .collect();
        let ascents = given.windows(2).filter(|pair| pair[0] < pair[1]).count();
        // 500 are expected, with a standard deviation of 9.
        assert!((400..600).contains(&ascents), "{ascents}");
        let neighbours = given.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 1_000).count();
        assert!(neighbours < 10, "{neighbours}");
    }

    #[test]
    fn kinds_go_there_and_back() {
        let kinds = [NameKind::Page, NameKind::Target]
            .into_iter()
            .chain(Attribute::ALL.map(NameKind::Value));
        for kind in kinds {
            assert_eq!(NameKind::of_code(kind.code()), Some(kind));
        }
        assert_eq!(NameKind::of_code(99), None);
    }
}
