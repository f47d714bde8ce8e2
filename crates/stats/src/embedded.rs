//! The embedded store behind the room's functions.
//!
//! What it is not: the only store. A cluster fills the same [`Backend`] from ClickHouse.
//!
//! What surprises: the file need not exist yet. It is opened at the first question, so the
//! dashboard may start before the aggregator has made it.

use std::path::PathBuf;
use std::sync::Arc;

use headcount_store::sqlite::Reader;

use crate::backend::{Backend, Doors};
use crate::pool::Pool;

impl Backend {
    /// Reads `counts.db` at `path`; `doors` knows the operator's tokens.
    pub fn embedded(path: PathBuf, doors: Doors) -> Self {
        let pool = Arc::new(Pool::new(move || Reader::open(&path)));
        let [ask, refused, books, first_day] = std::array::from_fn(|_| Arc::clone(&pool));
        Self {
            ask: Arc::new(move |question| ask.with(|reader| reader.ask(question))),
            refused: Arc::new(move |site, from, to| {
                refused.with(|reader| reader.refused(site, from, to))
            }),
            books: Arc::new(move || books.with(Reader::books_now)),
            first_day: Arc::new(move |site| first_day.with(|reader| reader.first_day(site))),
            doors,
        }
    }
}
