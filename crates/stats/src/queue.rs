//! The lines before the store: questions, look-ups of tokens, and what one shared link may ask.
//!
//! What it is not: in the way of a hit. Whatever grows with an answer (arranging, rounding, drawing,
//! writing, compressing) is done in the job, on a thread of its own; where requests are read, only the
//! finished bytes are handed on.
//!
//! What surprises: a question's places travel with its job, so that a client that goes away does not
//! let a second question start beside its abandoned one. Such a job ends before its next look at the
//! store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headcount_core::failpoint;
use headcount_core::site::SiteHost;
use headcount_core::time::Day;
use headcount_store::question::{Answer, Books, Question, Refused};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::backend::{Backend, Said, Unanswered};

/// Questions that may wait or run at once; a dashboard page is one.
pub const WAITING_MAX: usize = 64;
/// Look-ups of tokens that may wait or run at once; each takes microseconds, one runs.
pub(crate) const LOOK_UPS_MAX: usize = 64;
/// Questions of one shared link that may wait or run at once; one runs.
pub(crate) const LINK_WAITING_MAX: usize = 5;
/// Longest time a request waits for its answer, all in all. The collector cuts a connection on which
/// nothing is answered for longer; the binary, which knows both, compares the two.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(8);

/// A line with places, of whom some have their turn.
#[derive(Clone)]
struct Line {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A place and a turn; dropped, they are free.
type Turn = [OwnedSemaphorePermit; 2];

impl Line {
    fn new(places: usize, turns: usize) -> Self {
        let line = |size| Arc::new(Semaphore::new(size));
        Self { places: line(places), turns: line(turns) }
    }

    /// Waits for a turn, if there is a place to wait.
    async fn turn(&self) -> Result<Turn, Unanswered> {
        let busy = |_| Unanswered::Busy;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Unanswered::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(busy)?;
        Ok([place, turn])
    }

    fn is_empty(&self) -> bool {
        Arc::strong_count(&self.places) == 1
    }
}

/// What a job reads with, until its time is over.
pub(crate) struct Reading {
    backend: Backend,
    until: Instant,
}

impl Reading {
    /// Reads until then; what is asked later is [`Unanswered::Busy`].
    pub(crate) fn until(backend: Backend, until: Instant) -> Self {
        Self { backend, until }
    }

    fn backend(&self) -> Result<&Backend, Unanswered> {
        if Instant::now() < self.until { Ok(&self.backend) } else { Err(Unanswered::Busy) }
    }

    /// Answers a question.
    pub(crate) fn ask(&self, question: &Question) -> Result<Answer, Unanswered> {
        Ok((self.backend()?.ask)(question)?)
    }

    /// Counts refused beacons.
    pub(crate) fn refused(
        &self,
        site: &SiteHost,
        from: Day,
        to: Day,
    ) -> Result<Vec<Refused>, Unanswered> {
        Ok((self.backend()?.refused)(site, from, to)?)
    }

    /// The state of the books.
    pub(crate) fn books(&self) -> Result<Option<Books>, Unanswered> {
        Ok((self.backend()?.books)()?)
    }

    /// The first UTC day with counts of a site.
    pub(crate) fn first_day(&self, site: &SiteHost) -> Result<Option<Day>, Unanswered> {
        Ok((self.backend()?.first_day)(site)?)
    }
}

/// The bounded lines in front of a [`Backend`].
pub(crate) struct Queue {
    backend: Backend,
    questions: Line,
    look_ups: Line,
    /// The lines of shared links that somebody reads by now.
    links: Mutex<HashMap<String, Line>>,
}

impl Queue {
    /// At most `readers` questions run at once.
    pub(crate) fn new(backend: Backend, readers: usize) -> Self {
        Self {
            backend,
            questions: Line::new(WAITING_MAX, readers.clamp(1, WAITING_MAX)),
            look_ups: Line::new(LOOK_UPS_MAX, 1),
            links: Mutex::default(),
        }
    }

    /// Runs `job` where it may block and take its time; `link` is the token of a shared link.
    pub(crate) async fn answer<T: Send + 'static, E: From<Unanswered> + Send + 'static>(
        &self,
        link: Option<&str>,
        job: impl FnOnce(&Reading) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let until = Instant::now() + ANSWER_DEADLINE;
        let of_link = match link.map(|token| self.line_of(token)) {
            Some(line) => Some(line.turn().await?),
            None => None,
        };
        let turn = self.questions.turn().await?;
        let reading = Reading::until(self.backend.clone(), until);
        let blocking = move || {
            failpoint::hit("question-asked");
            let done = job(&reading);
            drop((turn, of_link));
            done
        };
        tokio::task::spawn_blocking(blocking).await.map_err(|_| Unanswered::Panicked)?
    }

    /// Looks something small up by an index, beside the questions.
    pub(crate) async fn look_up<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Backend) -> Said<T> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let turn = self.look_ups.turn().await?;
        let backend = self.backend.clone();
        let blocking = move || {
            failpoint::hit("token-looked-up");
            let said = job(&backend);
            drop(turn);
            said
        };
        let said = tokio::task::spawn_blocking(blocking).await;
        Ok(said.map_err(|_| Unanswered::Panicked)??)
    }

    /// The line of a link, made for its first reader and forgotten after its last.
    fn line_of(&self, token: &str) -> Line {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, line| !line.is_empty());
        links.entry(token.to_owned()).or_insert_with(|| Line::new(LINK_WAITING_MAX, 1)).clone()
    }
}
