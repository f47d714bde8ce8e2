//! The time zones of sites, looked up once.
//!
//! What it is not: the machine's zone, which plays no part.
//!
//! What surprises: a site that was added by a command has no settings, and takes the zone of all.

use std::collections::HashMap;

use headcount_core::site::SiteHost;
use headcount_stats::time_zone::TimeZone;

use super::{ConfigError, RawSite};

/// A zone for all, and those of single sites.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zones {
    all: TimeZone,
    own: HashMap<String, TimeZone>,
}

impl Zones {
    /// Looks up every name.
    ///
    /// # Errors
    /// [`ConfigError`] for a name that is not in the time zone database.
    pub(super) fn of(all: &str, sites: &[RawSite]) -> Result<Self, ConfigError> {
        let mut own = HashMap::new();
        for site in sites.iter().filter(|site| !site.time_zone.is_empty()) {
            let key = format!("sites.time_zone of {}", site.host);
            own.insert(site.host.clone(), zone(&key, &site.time_zone)?);
        }
        Ok(Self { all: zone("time_zone", all)?, own })
    }

    /// The zone of a site.
    pub(super) fn of_site(&self, site: &SiteHost) -> TimeZone {
        self.own.get(site.as_str()).unwrap_or(&self.all).clone()
    }
}

fn zone(key: &str, name: &str) -> Result<TimeZone, ConfigError> {
    TimeZone::named(name).ok_or_else(|| {
        ConfigError(format!(
            "{key} = \"{name}\": a name of the time zone database such as \"Europe/Stockholm\" or \
             \"UTC\" is needed"
        ))
    })
}
