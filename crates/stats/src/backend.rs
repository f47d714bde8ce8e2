//! What the stats room asks of the store, as functions.
//!
//! What it is not: a store, nor the lines before it; see [`crate::queue`].
//!
//! What surprises: each function blocks, so nothing of this is called where requests are read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use headcount_core::site::SiteHost;
use headcount_core::time::{Clock, Day};
use headcount_store::StoreError;
use headcount_store::control::{Control, Grant, Proof};
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
    /// Who may come in.
    pub doors: Doors,
}

/// Who may come in, as functions of the operator's file.
#[derive(Clone)]
pub struct Doors {
    /// What a token opens, if it is one.
    pub grant: Arc<Ask<str, Option<Grant>>>,
    /// What the token still opens with which a session was begun.
    pub standing: Arc<Ask<i64, Option<Grant>>>,
    /// Begins a session, and notes that.
    pub sign_in: Arc<SignIn>,
}

/// What is locked is a connection; a panic elsewhere does not change it.
fn lock(control: &Mutex<Control>) -> MutexGuard<'_, Control> {
    control.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What opens a session to what it then may see.
pub type SignIn = dyn for<'a> Fn(Proof<'a>) -> Said<Option<Grant>> + Send + Sync;

impl Doors {
    /// Those of a control file.
    pub fn of(control: Control, clock: Arc<dyn Clock>) -> Self {
        let control = Arc::new(Mutex::new(control));
        let [grant, standing] = std::array::from_fn(|_| (Arc::clone(&control), Arc::clone(&clock)));
        Self {
            grant: Arc::new(move |text| lock(&grant.0).token_check(text, grant.1.unix_seconds())),
            standing: Arc::new(move |id| {
                lock(&standing.0).token_standing(*id, standing.1.unix_seconds())
            }),
            sign_in: Arc::new(move |proof| lock(&control).sign_in(proof, clock.unix_seconds())),
        }
    }
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
