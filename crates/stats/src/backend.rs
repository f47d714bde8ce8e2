//! What the stats room asks of the store, as functions.
//!
//! What it is not: a store, nor the lines before it; see [`crate::queue`].
//!
//! What surprises: each function blocks, so nothing of this is called where requests are read.

use std::sync::Arc;

use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use headcount_store::StoreError;
use headcount_store::control::Grant;
use headcount_store::question::{Answer, Books, Question, Refused};

/// What the store said.
pub type Said<T> = Result<T, StoreError>;
/// A function of the store.
pub type Ask<I, O> = dyn Fn(&I) -> Said<O> + Send + Sync;
/// Refused beacons of a site between two days, both included.
pub type AskRefused = dyn Fn(&SiteHost, Day, Day) -> Said<Vec<Refused>> + Send + Sync;

/// The store's read interface. Each function may block and may be called from several threads.
#[derive(Clone)]
pub struct Backend {
    /// Answers a question.
    pub ask: Arc<Ask<Question, Answer>>,
    /// Counts refused beacons by reason.
    pub refused: Arc<AskRefused>,
    /// The state of the books; `None` before the first check.
    pub books: Arc<dyn Fn() -> Said<Option<Books>> + Send + Sync>,
    /// The first day with counts of a site.
    pub first_day: Arc<Ask<SiteHost, Option<Day>>>,
    /// What a token opens, if it is one.
    pub grant: Arc<Ask<str, Option<Grant>>>,
}

/// Why there is no answer now.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Too many wait already, or this one waited too long.
    #[error("too many questions at once")]
    Busy,
    /// The store failed.
    #[error("the store did not answer")]
    Store(#[from] StoreError),
    /// A job panicked; its thread is gone, the room stays. What it said may quote a row: it is not
    /// told on.
    #[error("a question to the store panicked")]
    Panicked,
}
