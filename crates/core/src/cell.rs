//! A cell: one counter, named by site, bucket and a page or one attribute value.
//!
//! What it is not: a visit. No cell has room for two attributes, and none for a time finer than
//! an hour.
//!
//! What surprises: a cell is generic over its names. At the edge a name is a small number that the
//! edge file explains; in a batch it is an index into the batch's own table of names.

use serde::{Deserialize, Serialize};

use crate::refusal::RefusalReason;
use crate::time::{Day, Hour};

/// What a view can be counted by, one at a time, per site and day.
///
/// The order is part of the batch format: add at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attribute {
    /// Registrable domain of the referrer.
    Source,
    /// Two-letter country code.
    Country,
    /// `desktop`, `mobile`, `tablet`, `other`.
    Device,
    /// Browser family.
    Browser,
    /// Family of the operating system.
    Os,
    /// `utm_source` of the page's address.
    UtmSource,
    /// `utm_medium` of the page's address.
    UtmMedium,
    /// `utm_campaign` of the page's address.
    UtmCampaign,
}

impl Attribute {
    /// Every attribute, in the order of the format.
    pub const ALL: [Self; 8] = [
        Self::Source,
        Self::Country,
        Self::Device,
        Self::Browser,
        Self::Os,
        Self::UtmSource,
        Self::UtmMedium,
        Self::UtmCampaign,
    ];

    /// The word used in tables, the API and the dashboard.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Country => "country",
            Self::Device => "device",
            Self::Browser => "browser",
            Self::Os => "os",
            Self::UtmSource => "utm_source",
            Self::UtmMedium => "utm_medium",
            Self::UtmCampaign => "utm_campaign",
        }
    }

    /// How many values it can have at least, where they come from a list that everybody can read;
    /// none where visitors bring their own. The close of a day counts on them: too few cost detail,
    /// and too many would tell what is hidden.
    pub const fn values_min(self) -> Option<u32> {
        match self {
            Self::Country => Some(200),
            Self::Device => Some(4),
            Self::Browser => Some(30),
            Self::Os => Some(7),
            Self::Source | Self::UtmSource | Self::UtmMedium | Self::UtmCampaign => None,
        }
    }
}

/// Which counter of a site; `N` is how a name is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CellKey<N> {
    /// The whole site in one hour.
    Site {
        /// The bucket.
        hour: Hour,
    },
    /// One page in one hour.
    Page {
        /// The bucket.
        hour: Hour,
        /// The clean page.
        page: N,
    },
    /// One click target on one page in one hour.
    Click {
        /// The bucket.
        hour: Hour,
        /// The clean page.
        page: N,
        /// The clean target or the declared event's name.
        target: N,
    },
    /// One attribute value in one day.
    Attribute {
        /// The bucket.
        day: Day,
        /// Which attribute.
        attribute: Attribute,
        /// The clean value.
        value: N,
    },
    /// Beacons not counted in one day, by reason.
    Refusal {
        /// The bucket.
        day: Day,
        /// Why.
        reason: RefusalReason,
    },
}

impl<N> CellKey<N> {
    /// The UTC day that the cell's bucket lies in.
    pub fn day(&self) -> Day {
        match self {
            Self::Site { hour } | Self::Page { hour, .. } | Self::Click { hour, .. } => hour.day(),
            Self::Attribute { day, .. } | Self::Refusal { day, .. } => *day,
        }
    }

    /// The same cell with its names written another way.
    ///
    /// # Errors
    /// The first error of `name`.
    pub fn try_map<M, E>(self, mut name: impl FnMut(N) -> Result<M, E>) -> Result<CellKey<M>, E> {
        Ok(match self {
            Self::Site { hour } => CellKey::Site { hour },
            Self::Page { hour, page } => CellKey::Page { hour, page: name(page)? },
            Self::Click { hour, page, target } => {
                CellKey::Click { hour, page: name(page)?, target: name(target)? }
            }
            Self::Attribute { day, attribute, value } => {
                CellKey::Attribute { day, attribute, value: name(value)? }
            }
            Self::Refusal { day, reason } => CellKey::Refusal { day, reason },
        })
    }
}

impl CellKey<&str> {
    /// Bytes of its names.
    pub fn name_bytes(&self) -> usize {
        match self {
            Self::Page { page: name, .. } | Self::Attribute { value: name, .. } => name.len(),
            Self::Click { page, target, .. } => page.len() + target.len(),
            Self::Site { .. } | Self::Refusal { .. } => 0,
        }
    }
}

impl CellKey<String> {
    /// The same cell, as a batch takes it.
    pub fn borrowed(&self) -> CellKey<&str> {
        match self {
            Self::Site { hour } => CellKey::Site { hour: *hour },
            Self::Page { hour, page } => CellKey::Page { hour: *hour, page },
            Self::Click { hour, page, target } => CellKey::Click { hour: *hour, page, target },
            Self::Attribute { day, attribute, value } => {
                CellKey::Attribute { day: *day, attribute: *attribute, value }
            }
            Self::Refusal { day, reason } => CellKey::Refusal { day: *day, reason: *reason },
        }
    }
}

/// The numbers of a cell, and likewise the totals of many cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Page views.
    pub views: u64,
    /// Distinct visitors of the UTC day, counted in the hour of their first view.
    pub visitors: u64,
    /// Views whose referrer is not the site itself.
    pub visits: u64,
    /// Clicks and declared events.
    pub clicks: u64,
    /// Beacons not counted.
    pub refused: u64,
}

impl Counts {
    /// Nothing counted.
    pub const ZERO: Self = Self { views: 0, visitors: 0, visits: 0, clicks: 0, refused: 0 };

    /// Adds `other`; `None` if a number would pass `i64::MAX`, the store's limit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let add = |a: u64, b: u64| a.checked_add(b).filter(|sum| i64::try_from(*sum).is_ok());
        Some(Self {
            views: add(self.views, other.views)?,
            visitors: add(self.visitors, other.visitors)?,
            visits: add(self.visits, other.visits)?,
            clicks: add(self.clicks, other.clicks)?,
            refused: add(self.refused, other.refused)?,
        })
    }

    /// Adds `other` in place. A count of one hit at a time cannot reach the limit of 2^64.
    pub fn add(&mut self, other: &Self) {
        self.views += other.views;
        self.visitors += other.visitors;
        self.visits += other.visits;
        self.clicks += other.clicks;
        self.refused += other.refused;
    }

    /// Whether every number is 0.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}
