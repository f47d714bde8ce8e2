//! ClickHouse behind the room's functions.
//!
//! What it is not: a pool. One reader serves every thread.
//!
//! What surprises: the books are those of the last audit that an aggregator has made and the server
//! keeps; the dashboard does not add everything up at every look.

use std::sync::Arc;

use headcount_store::clickhouse::Reader;

use crate::backend::{Backend, Doors};

impl Backend {
    /// Reads through `reader`; `doors` knows the operator's tokens.
    pub fn clickhouse(reader: Arc<Reader>, doors: Doors) -> Self {
        let [ask, refused, books, first_day] = std::array::from_fn(|_| Arc::clone(&reader));
        Self {
            ask: Arc::new(move |question| ask.ask(question)),
            refused: Arc::new(move |site, from, to| refused.refused(site, from, to)),
            books: Arc::new(move || books.books_now()),
            first_day: Arc::new(move |site| first_day.first_day(site)),
            doors,
        }
    }
}
