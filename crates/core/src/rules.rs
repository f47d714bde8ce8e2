//! The rules of one site: everything that text from a visitor's browser is judged by.
//!
//! What it is not: the site's whole configuration. Tokens, retention and limits live elsewhere.
//!
//! What surprises: rules are checked when they are made. Text can be judged without an error.

use crate::campaign::Campaign;
use crate::event::{EventError, Events};
use crate::page::{Page, PagePolicy};
use crate::site::SiteHost;
use crate::source::{SiteDomains, Source};
use crate::target::Target;

/// The rules of one site, ready to judge text.
#[derive(Clone, Debug)]
pub struct SiteRules {
    host: SiteHost,
    aliases: Vec<SiteHost>,
    domains: SiteDomains,
    pages: PagePolicy,
    events: Events,
}

impl SiteRules {
    /// Checks the names of the events and prepares the rest.
    ///
    /// # Errors
    /// [`EventError`] names the first event that is none.
    pub fn new(
        host: SiteHost,
        aliases: Vec<SiteHost>,
        pages: PagePolicy,
        events: Vec<String>,
    ) -> Result<Self, EventError> {
        let domains = SiteDomains::new(std::iter::once(&host).chain(&aliases));
        Ok(Self { domains, pages, events: Events::new(events)?, host, aliases })
    }

    /// The rules of a site whose owner added nothing.
    pub fn of_host(host: SiteHost) -> Self {
        let domains = SiteDomains::new([&host]);
        let (pages, events) = (PagePolicy::standard(), Events::default());
        Self { host, aliases: Vec::new(), domains, pages, events }
    }

    /// The site's host.
    pub fn host(&self) -> &SiteHost {
        &self.host
    }

    /// Other hosts of the same site.
    pub fn aliases(&self) -> &[SiteHost] {
        &self.aliases
    }

    /// The policy for pages.
    pub fn pages(&self) -> &PagePolicy {
        &self.pages
    }

    /// The page of an address.
    pub fn page(&self, raw: &str) -> Page {
        self.pages.sanitise(raw)
    }

    /// Whether the owner lists this page by name.
    pub fn lists(&self, page: &str) -> bool {
        self.pages.lists(page)
    }

    /// The source of a referrer.
    pub fn source(&self, raw: &str) -> Source {
        Source::sanitise(raw, &self.domains)
    }

    /// The target of a clicked link.
    pub fn target(&self, raw: &str) -> Target {
        Target::sanitise(raw, &self.pages, &self.domains)
    }

    /// The target of an event.
    pub fn event(&self, raw: &str) -> Target {
        self.events.sanitise(raw)
    }

    /// The campaign of a page's address, of which only the query is read.
    pub fn campaign(&self, address: &str) -> Campaign {
        Campaign::of_address(address, &self.pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::OwnerRules;

    fn host(text: &str) -> SiteHost {
        SiteHost::parse(text).unwrap()
    }

    #[test]
    fn aliases_are_the_site_too() {
        let policy = PagePolicy::standard();
        let rules = SiteRules::new(host("a.com"), vec![host("b.org")], policy, vec![]).unwrap();
        assert!(rules.source("https://www.b.org/").is_internal());
        assert_eq!(rules.target("https://www.b.org/users/1").as_str(), "/users/:id");
        assert!(!SiteRules::of_host(host("a.com")).source("https://b.org/").is_internal());
    }

    #[test]
    fn refuses_events_that_break_the_form() {
        let new = |event: &str| {
            SiteRules::new(host("a.com"), vec![], PagePolicy::standard(), vec![event.to_owned()])
        };
        assert_eq!(new("A b").unwrap_err(), EventError::Name("A b".to_owned()));
        assert_eq!(new("a_b").unwrap().event("a_b").as_str(), "a_b");
    }

    #[test]
    fn lists_the_owners_pages_and_no_other() {
        let owner =
            OwnerRules { known_pages: vec!["/modell/1234567/".into()], ..Default::default() };
        let policy = PagePolicy::new(owner).unwrap();
        let rules = SiteRules::new(host("a.com"), vec![], policy, vec![]).unwrap();
        assert!(rules.lists(rules.page("https://a.com/modell/1234567?x").as_str()));
        assert!(!rules.lists("/modell") && !rules.lists("") && !rules.lists("/modell/:id"));
        assert!(!SiteRules::of_host(host("a.com")).lists("/"));
    }
}
