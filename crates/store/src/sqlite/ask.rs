//! Answering a question: scan the cells it is about, group them, fold, sort, cut.
//!
//! What it is not: a writer of SQL. There is one statement, with every value bound; which pages
//! pass a filter is decided here, once per page, so a name is matched as it is written, whatever
//! `%`, quote or NUL it holds.
//!
//! What surprises: views, visitors and visits of a page are in its page cells, its clicks in the
//! click cells of its targets; a question may need both scans.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use headcount_core::cell::{Attribute, Counts};
use rusqlite::{Connection, OptionalExtension as _};

use super::{close, codes, meta};
use crate::answer::fold::{Strength, Value, folded};
use crate::answer::plan::{Scan, Take, plan};
use crate::answer::{Draft, GROUPS_MAX, OTHER, bucket_of, cut, metrics_of, sorted, too_large};
use crate::error::{Doing as _, StoreError};
use crate::question::{Answer, By, PageFilter, Question};

/// Stands for [`OTHER`] among the ids, which are all above 0.
const OTHER_ID: i64 = 0;
const DOING: &str = "answer a question";

/// What a group of cells has in common: its time and up to two names.
type Group = (u32, i64, i64);
type Groups = HashMap<Group, Counts>;

/// A cell as it is scanned.
struct Cell {
    bucket: u32,
    a: i64,
    b: i64,
    counts: Counts,
}

/// Answers as this transaction sees the file.
pub(super) fn ask(conn: &Connection, question: &Question) -> Result<Answer, StoreError> {
    let scans = plan(question)?;
    let mut names = NameTexts { conn, texts: HashMap::new() };
    let oldest = meta::oldest_readable(conn)?;
    let site = site_id(conn, question.site.as_str())?;
    let Some(site) = site.filter(|_| question.from <= question.to) else {
        return Ok(Answer::default());
    };
    let hours = [
        question.zone.first_hour(question.from).max(oldest.first_hour()).0,
        question.zone.last_hour(question.to).0,
    ];
    let open = if question.k > 1 { close::closed(conn)?.before.0 } else { u32::MAX };
    let stretch =
        Stretch { conn, site, open, days: [question.from.max(oldest).0, question.to.0], hours };
    let hidden = match question.by {
        By::Attribute(attribute) => hidden_values(&stretch, &mut names, (attribute, question))?,
        _ => Hidden::default(),
    };
    let mut passes = PageTest { filters: &question.pages, known: HashMap::new() };
    let mut groups = Groups::new();
    for scan in scans {
        let filtered = scan.kind == codes::PAGE || scan.kind == codes::CLICK;
        stretch.cells(scan, |cell| {
            if filtered && !passes.page(&mut names, cell.a)? {
                return Ok(());
            }
            let group = group_of(question, scan, &cell, &hidden);
            if groups.len() >= GROUPS_MAX && !groups.contains_key(&group) {
                return Err(too_large());
            }
            groups.entry(group).or_default().add(&scan.take.of(cell.counts));
            Ok(())
        })?;
    }
    let rows = rows_of(question, &mut names, groups)?;
    let folded = u64::try_from(hidden.folded).unwrap_or(u64::MAX);
    Ok(cut(question, sorted(question, rows), folded))
}

/// The id of a site with counts. Sites are few, so the table is scanned (`+`): an audit reads the
/// tables, and what is answered rests on nothing that it does not read.
pub(super) fn site_id(conn: &Connection, host: &str) -> Result<Option<i64>, StoreError> {
    conn.prepare_cached(include_str!("sql/find_site_by_scan.sql"))
        .and_then(|mut get| get.query_row([host], |row| row.get(0)).optional())
        .doing("find the site")
}

/// A site and a period.
struct Stretch<'a> {
    conn: &'a Connection,
    site: i64,
    /// From this UTC day on days are not closed.
    open: u32,
    /// First and last UTC day, for attributes.
    days: [u32; 2],
    /// First and last UTC hour, for all others.
    hours: [u32; 2],
}

impl Stretch<'_> {
    /// Gives every cell of a scan to `each`.
    fn cells(
        &self,
        scan: Scan,
        mut each: impl FnMut(Cell) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let [first, last] = if scan.hourly { self.hours } else { self.days };
        let mut statement = self.conn.prepare_cached(include_str!("sql/scan.sql")).doing(DOING)?;
        let mut rows = statement.query((self.site, scan.kind, first, last)).doing(DOING)?;
        while let Some(row) = rows.next().doing(DOING)? {
            let number = |at| -> rusqlite::Result<u64> {
                let number: i64 = row.get(at)?;
                u64::try_from(number)
                    .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
            };
            let read = || -> rusqlite::Result<Cell> {
                Ok(Cell {
                    bucket: row.get(0)?,
                    a: row.get(1)?,
                    b: row.get(2)?,
                    counts: Counts {
                        views: number(3)?,
                        visitors: number(4)?,
                        visits: number(5)?,
                        clicks: number(6)?,
                        refused: 0,
                    },
                })
            };
            each(read().doing(DOING)?)?;
        }
        Ok(())
    }
}

/// Texts of names, each read once.
struct NameTexts<'a> {
    conn: &'a Connection,
    texts: HashMap<i64, Rc<str>>,
}

impl NameTexts<'_> {
    fn text(&mut self, id: i64) -> Result<Rc<str>, StoreError> {
        if let Some(text) = self.texts.get(&id) {
            return Ok(Rc::clone(text));
        }
        let text: Rc<str> = if id == OTHER_ID {
            OTHER.into()
        } else {
            self.conn
                .prepare_cached(include_str!("sql/name_text.sql"))
                .and_then(|mut get| get.query_row([id], |row| row.get::<_, Rc<str>>(0)).optional())
                .doing(DOING)?
                .ok_or_else(|| meta::damaged(self.conn, "a count has a name that does not exist"))?
        };
        self.texts.insert(id, Rc::clone(&text));
        Ok(text)
    }
}

/// Whether a page passes all filters, decided once per page.
struct PageTest<'a> {
    filters: &'a [PageFilter],
    known: HashMap<i64, bool>,
}

impl PageTest<'_> {
    fn page(&mut self, names: &mut NameTexts<'_>, id: i64) -> Result<bool, StoreError> {
        if self.filters.is_empty() {
            return Ok(true);
        }
        if let Some(passes) = self.known.get(&id) {
            return Ok(*passes);
        }
        let page = names.text(id)?;
        let passes = self.filters.iter().all(|filter| filter.passes(&page));
        self.known.insert(id, passes);
        Ok(passes)
    }
}

impl PageFilter {
    /// Whether a page passes; case matters and nothing is a pattern.
    pub fn passes(&self, page: &str) -> bool {
        match self {
            Self::Is(pages) => pages.iter().any(|other| other == page),
            Self::IsNot(pages) => !pages.iter().any(|other| other == page),
            Self::Contains(texts) => texts.iter().any(|text| page.contains(&**text)),
            Self::ContainsNot(texts) => !texts.iter().any(|text| page.contains(&**text)),
        }
    }
}

/// The values that are counted as [`OTHER`].
#[derive(Default)]
struct Hidden {
    ids: HashSet<i64>,
    /// On a UTC day that is not closed.
    of_open_days: HashSet<(u32, i64)>,
    /// How many values because of `k`.
    folded: usize,
}

impl Hidden {
    fn has(&self, cell: &Cell) -> bool {
        self.ids.contains(&cell.a) || self.of_open_days.contains(&(cell.bucket, cell.a))
    }
}

/// Folds over the whole period, so that a value is hidden in every bucket of time or in none.
fn hidden_values(
    stretch: &Stretch<'_>,
    names: &mut NameTexts<'_>,
    (attribute, question): (Attribute, &Question),
) -> Result<Hidden, StoreError> {
    let k = question.k;
    let scan = Scan { kind: codes::attribute_kind(attribute), hourly: false, take: Take::All };
    let mut strengths: HashMap<i64, Strength> = HashMap::new();
    let mut open_days: BTreeMap<u32, Vec<(i64, Counts)>> = BTreeMap::new();
    let mut open_cells = 0;
    stretch.cells(scan, |cell| {
        if cell.bucket >= stretch.open {
            open_days.entry(cell.bucket).or_default().push((cell.a, cell.counts));
            open_cells += 1;
        } else {
            let strength = strengths.entry(cell.a).or_default();
            strength.add_day(cell.counts.visitors, cell.counts.visits);
        }
        if strengths.len() + open_cells > GROUPS_MAX { Err(too_large()) } else { Ok(()) }
    })?;
    let mut of_open_days = HashSet::new();
    for (day, values) in open_days {
        let hidden = small_of(&values, names, question)?;
        for (id, counts) in values {
            if hidden.contains(&id) {
                of_open_days.insert((day, id));
            } else {
                strengths.entry(id).or_default().add_day(counts.visitors, counts.visits);
            }
        }
    }
    let mut named = Vec::with_capacity(strengths.len());
    for (id, strength) in strengths {
        named.push((id, names.text(id)?, strength));
    }
    let (other, named): (Vec<_>, Vec<_>) = named.into_iter().partition(|it| &*it.1 == OTHER);
    let values =
        named.iter().map(|(id, name, strength)| Value { id: *id, name, strength: *strength });
    // Where a day tells nothing, it does not tell how many values it has either.
    let of_days = of_open_days.iter().filter(|_| question.open_k.is_some()).map(|it| it.1);
    let of_days: HashSet<i64> = of_days.collect();
    let mut ids = folded(values.collect(), k, of_days.len());
    let folded = ids.union(&of_days).count();
    ids.extend(other.iter().map(|it| it.0));
    Ok(Hidden { ids, of_open_days, folded })
}

/// The values of a day that is not closed which are hidden, as if that day alone had been asked for.
fn small_of(
    values: &[(i64, Counts)],
    names: &mut NameTexts<'_>,
    question: &Question,
) -> Result<HashSet<i64>, StoreError> {
    let Some(k) = question.open_k else {
        return Ok(values.iter().map(|it| it.0).collect());
    };
    let mut named = Vec::with_capacity(values.len());
    for (id, counts) in values {
        named.push((*id, names.text(*id)?, *counts));
    }
    let values = named.iter().filter(|it| &*it.1 != OTHER);
    let values = values.map(|(id, name, counts)| Value {
        id: *id,
        name,
        strength: Strength::of_day(counts.visitors, counts.visits),
    });
    Ok(folded(values.collect(), k, 0))
}

/// What of a cell the question groups by.
fn group_of(question: &Question, scan: Scan, cell: &Cell, hidden: &Hidden) -> Group {
    let zone = scan.hourly.then_some(&question.zone);
    let time = question.time.map_or(0, |time| bucket_of(time, cell.bucket, zone));
    match question.by {
        By::Total => (time, 0, 0),
        By::Page => (time, cell.a, 0),
        By::Target => (time, cell.b, 0),
        By::PageAndTarget => (time, cell.a, cell.b),
        By::Attribute(_) if hidden.has(cell) => (time, OTHER_ID, 0),
        By::Attribute(_) => (time, cell.a, 0),
    }
}

fn rows_of(
    question: &Question,
    names: &mut NameTexts<'_>,
    groups: Groups,
) -> Result<Vec<Draft>, StoreError> {
    let mut rows = Vec::new();
    for ((time, first, second), counts) in groups {
        let metrics = metrics_of(question, &counts);
        if metrics.iter().all(|number| *number == 0) {
            continue;
        }
        let names = match question.by {
            By::Total => Vec::new(),
            By::Page | By::Target | By::Attribute(_) => vec![names.text(first)?],
            By::PageAndTarget => vec![names.text(first)?, names.text(second)?],
        };
        rows.push(Draft { time, names, metrics });
    }
    Ok(rows)
}
