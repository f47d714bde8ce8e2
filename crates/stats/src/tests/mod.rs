//! The routes as a client sees them.
//!
//! What it is not: about a store. [`fake`] stands in for it, except in [`embedded`].
//!
//! What surprises: nothing listens; requests go straight into the router.

pub(crate) mod fake;

mod embedded;
mod queue;
pub(crate) mod routes;
mod share;
mod signin;
mod small;
mod terminal;
