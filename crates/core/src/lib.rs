//! The words of the domain, pure: sites, pages, cells, tallies, batches, the ledger.
//!
//! What it is not: it knows no time of its own, no socket, no disk and no log. Whoever calls it
//! brings the clock and the bytes.
//!
//! What surprises: a clean type ([`page::Page`], [`source::Source`], …) has no constructor but its
//! sanitiser. If you hold one, the text went through the policy.

pub mod batch;
pub mod campaign;
pub mod cell;
pub mod event;
pub mod explain;
pub mod failpoint;
pub mod leak;
pub mod ledger;
pub mod mutant;
pub mod page;
pub mod refusal;
pub mod rules;
pub mod secret;
pub mod site;
pub mod source;
pub mod tally;
pub mod target;
pub mod time;

/// Whether this build keeps text as it came: a build for one test, never a release.
#[inline]
pub fn keeps_all() -> bool {
    leak::is(leak::Leak::Sanitiser)
}
