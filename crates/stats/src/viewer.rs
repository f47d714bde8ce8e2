//! Who looks at a page, from which addresses, and how sharply.
//!
//! What it is not: a check of credentials. That is done before there is one of these.
//!
//! What surprises: owners and viewers get the same counts. Were they different, two people could
//! subtract one's numbers from the other's and see what is hidden. A shared link is its own credential.
//! All its addresses begin with it, so its readers need no cookie, and they see rounded numbers of whole
//! months and a higher threshold. Over time it is the sum since the month began that is rounded, so that
//! all numbers of a month together tell no day more closely than one alone (`crates/README.md`,
//! Decisions).

use std::cmp::Reverse;
use std::collections::HashMap;

use headcount_core::site::SiteHost;
use headcount_store::control::Role;
use headcount_store::question::{Answer, Row};

use crate::query::BadQuery;
use crate::query::date::{Bounds, month_after, month_start};
use crate::session::Access;

/// Readers of a shared link see no attribute value with fewer visitors than this.
pub(crate) const SHARE_K: u32 = 10;
/// Numbers of a shared link are rounded down to multiples of this; smaller ones are left out.
pub(crate) const SHARE_STEP: u64 = 10;
/// Rows of a list that are looked at for a shared link, from the largest on.
pub(crate) const SHARE_ROWS_MAX: u32 = 10_000;

/// Somebody who may see something.
#[derive(Clone)]
pub(crate) struct Viewer {
    access: Access,
    /// The token of a shared link, which was found to be valid.
    share: Option<String>,
}

impl Viewer {
    /// A person with a session or a token.
    pub(crate) fn new(access: Access) -> Self {
        Self { access, share: None }
    }

    /// A reader of the shared link with this valid token.
    pub(crate) fn of_share(site: SiteHost, token: String) -> Self {
        Self { access: Access { site: Some(site), role: Role::Viewer }, share: Some(token) }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether this is an owner: who sees by how much books are off. Counts are the same for owners and
    /// viewers, above the same threshold.
    pub(crate) fn is_owner(&self) -> bool {
        self.access.role == Role::Owner
    }

    /// Whether hits that were not counted are shown: to every analyst (design, section 4), and not on
    /// shared links.
    pub(crate) fn sees_refusals(&self) -> bool {
        !self.is_share()
    }

    pub(crate) fn is_share(&self) -> bool {
        self.share.is_some()
    }

    /// The token of the shared link that is read.
    pub(crate) fn link(&self) -> Option<&str> {
        self.share.as_deref()
    }

    /// Where the dashboard is.
    pub(crate) fn home(&self) -> String {
        self.share.as_ref().map_or_else(|| "/".to_owned(), |token| format!("/share/{token}"))
    }

    /// Where a part of it is: `list`, `export.csv` or `export.json`.
    pub(crate) fn part(&self, name: &str) -> String {
        match &self.share {
            Some(token) => format!("/share/{token}/{name}"),
            None if name == "list" => "/list".to_owned(),
            None => format!("/api/v1/{name}"),
        }
    }

    /// The threshold for attribute values, not below the configured one.
    pub(crate) fn k(&self, configured: u32) -> u32 {
        if self.is_share() { configured.max(SHARE_K) } else { configured }
    }

    /// The days that this viewer may ask about. A shared link begins with a whole month: one that
    /// lost its first days to retention would be rounded anew each day, from another beginning.
    pub(crate) fn bounds(&self, bounds: Bounds) -> Result<Bounds, BadQuery> {
        if !self.is_share() || bounds.oldest == month_start(bounds.oldest, 0) {
            return Ok(bounds);
        }
        let oldest = month_after(bounds.oldest);
        if oldest > bounds.today {
            return Err(BadQuery::new(
                "a shared link shows whole months, and counts are not kept for so long: ask for a \
                 retention_days of 32 or more",
            ));
        }
        Ok(Bounds { oldest, ..bounds })
    }

    /// A number as this viewer may see it.
    pub(crate) fn number(&self, number: u64) -> u64 {
        if self.is_share() { number / SHARE_STEP * SHARE_STEP } else { number }
    }

    /// What a number adds to the sum of those before it in its month, as this viewer may see it.
    pub(crate) fn added(&self, before: u64, number: u64) -> u64 {
        self.number(before.saturating_add(number)).saturating_sub(self.number(before))
    }

    /// Rows of a list to ask for, where `wanted` are shown: of rows that are equal once they are
    /// rounded, the store would choose by what was rounded off.
    pub(crate) fn rows_asked(&self, wanted: u32) -> u32 {
        if self.is_share() { SHARE_ROWS_MAX } else { wanted }
    }

    /// An answer as this viewer may see it. For a shared link, rows without a number left are taken
    /// out, and lists are sorted again: the exact order would rank what looks equal.
    pub(crate) fn answer(&self, mut answer: Answer) -> Answer {
        if !self.is_share() {
            return answer;
        }
        let is_over_time = answer.rows.iter().any(|row| row.time.is_some());
        let is_cut = if is_over_time {
            self.round_over_time(&mut answer.rows);
            false
        } else {
            self.round_list(&mut answer)
        };
        answer.rows.retain(|row| row.metrics.iter().any(|number| *number > 0));
        let rows = u64::try_from(answer.rows.len()).unwrap_or(u64::MAX);
        answer.rows_total = rows.saturating_add(u64::from(is_cut));
        answer.folded = self.number(answer.folded);
        answer
    }

    /// Rounds and sorts a list. Where the store has cut it, the rows that look like the last one go;
    /// says whether those had anything to show.
    fn round_list(&self, answer: &mut Answer) -> bool {
        for number in answer.rows.iter_mut().flat_map(|row| &mut row.metrics) {
            *number = self.number(*number);
        }
        let first = |row: &Row| row.metrics.first().copied().unwrap_or(0);
        let is_whole = u64::try_from(answer.rows.len()).is_ok_and(|rows| rows >= answer.rows_total);
        let last = answer.rows.last().map(first).filter(|last| !is_whole && *last > 0);
        if let Some(last) = last {
            answer.rows.retain(|row| first(row) > last);
        }
        answer
            .rows
            .sort_by(|a, b| (Reverse(&a.metrics), &a.names).cmp(&(Reverse(&b.metrics), &b.names)));
        last.is_some()
    }

    /// Rounds what has been counted since the first row of each name, and shows what that adds.
    fn round_over_time(&self, rows: &mut [Row]) {
        rows.sort_by(|a, b| (&a.time, &a.names).cmp(&(&b.time, &b.names)));
        let mut sums: HashMap<Vec<String>, Vec<u64>> = HashMap::new();
        for row in rows {
            let sums = sums.entry(row.names.clone()).or_default();
            sums.resize(row.metrics.len(), 0);
            for (number, sum) in row.metrics.iter_mut().zip(sums) {
                let shown = self.added(*sum, *number);
                *sum = sum.saturating_add(*number);
                *number = shown;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use headcount_store::question::Row;

    use super::*;

    #[test]
    fn a_share_shows_tens_and_nothing_small() {
        let site = SiteHost::parse("example.org").expect("a host");
        let share = Viewer::of_share(site, "hc_x".to_owned());
        for (exact, shown) in [(0, 0), (9, 0), (10, 10), (14, 10), (19, 10), (104, 100)] {
            assert_eq!(share.number(exact), shown, "{exact}");
        }
        assert_eq!((share.k(5), share.k(20), Viewer::new(Access::ALL).k(5)), (10, 20, 5));
        let row = |metrics| Row { time: None, names: vec![], metrics };
        let rows = vec![row(vec![31, 9]), row(vec![9, 4])];
        let answer = share.answer(Answer { rows, rows_total: 8, folded: 11 });
        assert_eq!((answer.rows, answer.rows_total), (vec![row(vec![30, 0])], 1));
        assert_eq!(answer.folded, 10, "how many were folded is rounded too");
        assert_eq!(share.home(), "/share/hc_x");
        assert_eq!(share.part("export.csv"), "/share/hc_x/export.csv");
    }

    #[test]
    fn what_looks_equal_is_in_the_order_of_its_names() {
        let share =
            Viewer::of_share(SiteHost::parse("example.org").expect("a host"), String::new());
        let list = |rows: &[(&str, u64)], rows_total| {
            let row = |(name, views): &(&str, u64)| Row {
                time: None,
                names: vec![(*name).to_owned()],
                metrics: vec![*views],
            };
            let rows = rows.iter().map(row).collect();
            let answer = share.answer(Answer { rows, rows_total, folded: 0 });
            answer.rows.into_iter().map(|row| row.names.concat()).collect::<String>()
        };
        assert_eq!(list(&[("c", 29), ("a", 28), ("d", 19), ("b", 18)], 4), "acbd");
        assert_eq!(list(&[("a", 28), ("c", 21), ("b", 19), ("d", 11)], 4), "acbd");
        assert_eq!(
            list(&[("c", 29), ("d", 19), ("b", 18)], 9),
            "c",
            "others like the last are cut"
        );
    }
}
