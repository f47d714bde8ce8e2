//! Why a well-formed beacon was not counted: the closed list.
//!
//! What it is not: an error. A refusal is a counted value, so that at any time
//! accepted + refused = received, per site.
//!
//! What surprises: beacons that name no site of ours, and those that are no beacons at all, belong
//! to no site; they are counted in the process's metrics only.

use serde::{Deserialize, Serialize};

/// Why a beacon of a known site was not counted.
///
/// The order is part of the batch format: add at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RefusalReason {
    /// `Sec-GPC: 1`: the visitor's wish (<https://www.w3.org/TR/gpc/>).
    Gpc,
    /// `DNT: 1`: the same wish in its older form.
    Dnt,
    /// The browser loads ahead; nobody reads yet.
    Prefetch,
    /// A robot by its own word.
    Robot,
    /// `Origin` or `Referer` is a host that does not belong to the site.
    Origin,
    /// More hits from one network than the configured rate.
    Rate,
    /// No page: neither `p` nor a `Referer`.
    NoPage,
}

impl RefusalReason {
    /// Every reason, in the order of the format.
    pub const ALL: [Self; 7] =
        [Self::Gpc, Self::Dnt, Self::Prefetch, Self::Robot, Self::Origin, Self::Rate, Self::NoPage];

    /// The word used in tables, metrics and the dashboard.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gpc => "gpc",
            Self::Dnt => "dnt",
            Self::Prefetch => "prefetch",
            Self::Robot => "robot",
            Self::Origin => "origin",
            Self::Rate => "rate",
            Self::NoPage => "no_page",
        }
    }
}
