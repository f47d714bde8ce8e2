//! Who looks at a page, from which addresses, and how sharply.
//!
//! What it is not: a check of credentials. That is done before there is one of these.
//!
//! What surprises: a shared link is its own credential. All its addresses begin with it, so its
//! readers need no cookie, and they see rounded numbers of whole months and a higher threshold. Over
//! time it is the sum since the month began that is rounded, so that all numbers of a month together
//! tell no day more closely than one alone (`crates/README.md`, Decisions).

use std::collections::HashMap;

use headcount_core::site::SiteHost;
use headcount_store::question::{Answer, Refused, Row};

use crate::query::BadQuery;
use crate::query::date::{Bounds, month_after, month_start};
use crate::session::Access;

/// Readers of a shared link see no attribute value with fewer visitors than this.
pub(crate) const SHARE_K: u32 = 10;
/// Numbers of a shared link are rounded down to multiples of this; smaller ones are left out.
pub(crate) const SHARE_STEP: u64 = 10;

/// Somebody who may see something.
#[derive(Clone, Debug)]
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
        Self { access: Access::Site(site), share: Some(token) }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn is_share(&self) -> bool {
        self.share.is_some()
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

    /// An answer as this viewer may see it; rows without a number left are taken out.
    pub(crate) fn answer(&self, mut answer: Answer) -> Answer {
        if !self.is_share() {
            return answer;
        }
        if answer.rows.iter().any(|row| row.time.is_some()) {
            self.round_over_time(&mut answer.rows);
        } else {
            for number in answer.rows.iter_mut().flat_map(|row| &mut row.metrics) {
                *number = self.number(*number);
            }
        }
        let before = answer.rows.len();
        answer.rows.retain(|row| row.metrics.iter().any(|number| *number > 0));
        let gone = u64::try_from(before - answer.rows.len()).unwrap_or(0);
        answer.rows_total = answer.rows_total.saturating_sub(gone);
        answer.folded = self.number(answer.folded);
        answer
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

    /// Refusals as this viewer may see them.
    pub(crate) fn refused(&self, mut refused: Vec<Refused>) -> Vec<Refused> {
        for one in &mut refused {
            one.refused = self.number(one.refused);
        }
        refused.retain(|one| one.refused > 0);
        refused
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
        assert_eq!((share.k(5), share.k(20), Viewer::new(Access::All).k(5)), (10, 20, 5));
        let row = |metrics| Row { time: None, names: vec![], metrics };
        let rows = vec![row(vec![31, 9]), row(vec![9, 4])];
        let answer = share.answer(Answer { rows, rows_total: 8, folded: 11 });
        assert_eq!((answer.rows, answer.rows_total), (vec![row(vec![30, 0])], 7));
        assert_eq!(answer.folded, 10, "how many were folded is rounded too");
        assert_eq!(share.home(), "/share/hc_x");
        assert_eq!(share.part("export.csv"), "/share/hc_x/export.csv");
    }
}
