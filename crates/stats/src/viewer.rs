//! Who looks at a page, from which addresses, and how sharply.
//!
//! What it is not: a check of credentials. That is done before there is one of these.
//!
//! What surprises: owners and viewers get the same counts. Were they different, two people could
//! subtract one's numbers from the other's and see what is hidden. A shared link is its own credential. All its addresses begin with it, so its
//! readers need no cookie, and they see rounded numbers and a higher threshold.

use headcount_core::site::SiteHost;
use headcount_store::control::Role;
use headcount_store::question::Answer;

use crate::session::Access;

/// Readers of a shared link see no attribute value with fewer visitors than this.
pub(crate) const SHARE_K: u32 = 10;
/// Numbers of a shared link are multiples of this; smaller ones are left out.
pub(crate) const SHARE_STEP: u64 = 10;

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

    /// Whether this is an owner: who sees hits that were not counted, and by how much books are off.
    /// Counts are the same for owners and viewers, above the same threshold.
    pub(crate) fn is_owner(&self) -> bool {
        self.access.role == Role::Owner
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

    /// A number as this viewer may see it.
    pub(crate) fn number(&self, number: u64) -> u64 {
        match self.share {
            None => number,
            Some(_) if number < SHARE_STEP => 0,
            Some(_) => number.saturating_add(SHARE_STEP / 2) / SHARE_STEP * SHARE_STEP,
        }
    }

    /// An answer as this viewer may see it; rows without a number left are taken out.
    pub(crate) fn answer(&self, mut answer: Answer) -> Answer {
        if !self.is_share() {
            return answer;
        }
        for number in answer.rows.iter_mut().flat_map(|row| &mut row.metrics) {
            *number = self.number(*number);
        }
        let before = answer.rows.len();
        answer.rows.retain(|row| row.metrics.iter().any(|number| *number > 0));
        let gone = u64::try_from(before - answer.rows.len()).unwrap_or(0);
        answer.rows_total = answer.rows_total.saturating_sub(gone);
        answer
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
        for (exact, shown) in [(0, 0), (9, 0), (10, 10), (14, 10), (15, 20), (104, 100)] {
            assert_eq!(share.number(exact), shown, "{exact}");
        }
        assert_eq!((share.k(5), share.k(20), Viewer::new(Access::ALL).k(5)), (10, 20, 5));
        let row = |metrics| Row { time: None, names: vec![], metrics };
        let rows = vec![row(vec![31, 9]), row(vec![9, 4])];
        let answer = share.answer(Answer { rows, rows_total: 8, folded: 1 });
        assert_eq!((answer.rows, answer.rows_total), (vec![row(vec![30, 0])], 7));
        assert_eq!(share.home(), "/share/hc_x");
        assert_eq!(share.part("export.csv"), "/share/hc_x/export.csv");
    }
}
