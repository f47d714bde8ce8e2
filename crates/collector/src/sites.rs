//! The sites of this edge, as a core looks them up.
//!
//! What it is not: where sites are kept; the binary brings them from the config and the data
//! folder.
//!
//! What surprises: `www.` before a host of a site is that site too. Other subdomains are aliases
//! that the owner names.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;

use crate::names::SiteId;

/// One site.
pub struct SiteEntry {
    pub(crate) id: SiteId,
    pub(crate) rules: SiteRules,
}

/// All sites; replaced whole when one is added or erased.
#[derive(Default)]
pub struct SiteTable {
    hosts: HashMap<Box<str>, Arc<SiteEntry>, RandomState>,
    ids: HashMap<SiteId, Arc<SiteEntry>>,
    umami_ids: HashMap<Box<str>, Arc<SiteEntry>, RandomState>,
    matomo_ids: HashMap<u32, Arc<SiteEntry>, RandomState>,
}

/// What the owner says of a site.
pub struct SiteSetting {
    /// Its host: the name under which it is counted.
    pub host: SiteHost,
    /// Other hosts that are the same site.
    pub aliases: Vec<SiteHost>,
    /// How its texts are cleaned.
    pub rules: SiteRules,
    /// What Umami's trackers call it: a UUID in lower case.
    pub umami_id: Option<String>,
    /// What Matomo's trackers call it.
    pub matomo_id: Option<u32>,
}

impl SiteTable {
    /// A table of sites with the numbers that the edge file gave them.
    pub(crate) fn new(sites: impl IntoIterator<Item = (SiteId, SiteSetting)>) -> Self {
        let mut table = Self::default();
        for (id, setting) in sites {
            let entry = Arc::new(SiteEntry { id, rules: setting.rules });
            table.ids.insert(id, Arc::clone(&entry));
            if let Some(umami) = setting.umami_id {
                table.umami_ids.insert(umami.into(), Arc::clone(&entry));
            }
            if let Some(matomo) = setting.matomo_id {
                table.matomo_ids.insert(matomo, Arc::clone(&entry));
            }
            for host in std::iter::once(&setting.host).chain(&setting.aliases) {
                table.hosts.entry(host.as_str().into()).or_insert_with(|| Arc::clone(&entry));
            }
        }
        table
    }

    /// The site that a host belongs to.
    pub(crate) fn by_host(&self, host: &str) -> Option<&Arc<SiteEntry>> {
        self.hosts.get(host).or_else(|| self.hosts.get(host.strip_prefix("www.")?))
    }

    /// The site with this UUID, in lower case.
    pub(crate) fn by_umami_id(&self, id: &str) -> Option<&Arc<SiteEntry>> {
        self.umami_ids.get(id)
    }

    /// The site with this number.
    pub(crate) fn by_matomo_id(&self, id: u32) -> Option<&Arc<SiteEntry>> {
        self.matomo_ids.get(&id)
    }

    /// Whether a site lists this page by name.
    pub(crate) fn lists(&self, site: SiteId, page: &str) -> bool {
        self.ids.get(&site).is_some_and(|entry| entry.rules.lists(page))
    }
}
