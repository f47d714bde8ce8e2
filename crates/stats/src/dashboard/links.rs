//! The addresses that a page of the dashboard links to: the same view with one thing changed.
//!
//! What it is not: a reader of addresses; see [`super::Chosen`].
//!
//! What surprises: names of pages come from strangers. They stand in addresses percent-encoded, as
//! the value of a key of ours, and nowhere else.

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use headcount_store::question::Metric;

use super::gather::Subject;
use super::period::{Period, href};
use crate::breakdown::Breakdown;
use crate::query::words::metric_column;
use crate::viewer::Viewer;

/// What every address of a page has in common.
pub(crate) struct Links<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) period: &'a Period,
    pub(crate) viewer: &'a Viewer,
}

impl Links<'_> {
    /// Another site, for the same period if that has a name.
    pub(crate) fn site(&self, site: &SiteHost) -> String {
        let word = self.period.word.map(|word| ("period", word));
        href(
            &self.viewer.home(),
            &[("site", site.as_str())].into_iter().chain(word).collect::<Vec<_>>(),
        )
    }

    /// Another period by its word.
    pub(crate) fn period(&self, word: &str) -> String {
        self.dashboard(&[("period", word)], self.page_pair(), self.subject.metric)
    }

    /// Another period by its days.
    pub(crate) fn days(&self, [from, to]: [Day; 2]) -> String {
        let (from, to) = (from.to_string(), to.to_string());
        self.dashboard(&[("from", &from), ("to", &to)], self.page_pair(), self.subject.metric)
    }

    /// One page only, or all of them.
    pub(crate) fn page(&self, page: Option<&str>) -> String {
        self.same_period(page, self.subject.metric)
    }

    /// Another metric in the plot.
    pub(crate) fn metric(&self, metric: Metric) -> String {
        self.same_period(self.page_pair(), metric)
    }

    /// The full list of something; `at` is its part, from 1.
    pub(crate) fn list(&self, by: Breakdown, search: &str, at: u64) -> String {
        let part = at.to_string();
        let mut pairs = vec![("site", self.subject.site.as_str()), ("by", by.as_str())];
        let days = self.days_or_word();
        pairs.extend(days.iter().map(|(key, value)| (*key, value.as_str())));
        pairs.extend(self.filter(by).map(|page| ("page", page)));
        pairs.extend((!search.is_empty()).then_some(("search", search)));
        pairs.extend((at > 1).then_some(("at", part.as_str())));
        href(&self.viewer.part("list"), &pairs)
    }

    /// A list as a file, `csv` or `json`.
    pub(crate) fn export(&self, by: Breakdown, format: &str) -> String {
        let range = self.subject.range;
        let (from, to) = (range.from.to_string(), range.to.to_string());
        let mut pairs = vec![("site", self.subject.site.as_str()), ("by", by.as_str())];
        pairs.extend([("from", from.as_str()), ("to", &to)]);
        pairs.extend(self.filter(by).map(|page| ("page", page)));
        href(&self.viewer.part(&format!("export.{format}")), &pairs)
    }

    /// The period as pairs of an address.
    pub(crate) fn days_or_word(&self) -> Vec<(&'static str, String)> {
        let range = self.subject.range;
        match self.period.word {
            Some(word) => vec![("period", word.to_owned())],
            None => vec![("from", range.from.to_string()), ("to", range.to.to_string())],
        }
    }

    /// The chosen page, where a list can follow it.
    pub(crate) fn filter(&self, by: Breakdown) -> Option<&str> {
        self.page_pair().filter(|_| by.is_per_page())
    }

    fn page_pair(&self) -> Option<&str> {
        self.subject.page.as_deref()
    }

    fn same_period(&self, page: Option<&str>, metric: Metric) -> String {
        let days = self.days_or_word();
        let pairs: Vec<_> = days.iter().map(|(key, value)| (*key, value.as_str())).collect();
        self.dashboard(&pairs, page, metric)
    }

    fn dashboard(&self, period: &[(&str, &str)], page: Option<&str>, metric: Metric) -> String {
        let mut pairs = vec![("site", self.subject.site.as_str())];
        pairs.extend(period);
        pairs.extend(page.map(|page| ("page", page)));
        pairs.extend((metric != Metric::Views).then(|| ("metric", metric_column(metric))));
        href(&self.viewer.home(), &pairs)
    }
}
