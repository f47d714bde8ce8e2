//! Readers of the store, lent one at a time.
//!
//! What it is not: a limit. The queue before it runs only so many questions at once, so no more
//! readers than that are ever open.
//!
//! What surprises: a reader that failed is not taken back. The next question opens the file anew,
//! so a file that was replaced or repaired is found without a restart.

use std::sync::{Mutex, PoisonError};

use headcount_store::StoreError;

use crate::backend::Said;

/// Open readers that nobody uses now.
pub struct Pool<R, F> {
    idle: Mutex<Vec<R>>,
    open: F,
}

impl<R, F: Fn() -> Said<R>> Pool<R, F> {
    /// An empty pool; `open` opens a reader when one is needed.
    pub fn new(open: F) -> Self {
        Self { idle: Mutex::new(Vec::new()), open }
    }

    /// Asks a reader.
    ///
    /// # Errors
    /// The reader's, or that of opening one.
    pub fn with<T>(&self, ask: impl FnOnce(&R) -> Said<T>) -> Said<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = idle.map_or_else(&self.open, Ok)?;
        let said = ask(&reader);
        let sound =
            matches!(said, Ok(_) | Err(StoreError::Unanswerable { .. } | StoreError::TimedOut));
        if sound {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_reader_is_used_again_until_it_fails() {
        let opened = AtomicU32::new(0);
        let pool = Pool::new(|| Ok(opened.fetch_add(1, Ordering::SeqCst)));
        for _ in 0..3 {
            assert_eq!(pool.with(|reader| Ok(*reader)).expect("open"), 0);
        }
        let declined = || StoreError::Unanswerable { why: String::new() };
        assert!(pool.with(|_| Err::<(), _>(declined())).is_err());
        assert_eq!(pool.with(|reader| Ok(*reader)).expect("still open"), 0);
        assert!(pool.with(|_| Err::<(), _>(StoreError::BadInsert { why: "" })).is_err());
        assert_eq!(pool.with(|reader| Ok(*reader)).expect("opened anew"), 1);
    }

    #[test]
    fn readers_are_not_shared() {
        let opened = AtomicU32::new(0);
        let pool = Pool::new(|| Ok(opened.fetch_add(1, Ordering::SeqCst)));
        let inner = pool.with(|_| pool.with(|reader| Ok(*reader))).expect("two readers");
        assert_eq!(inner, 1);
    }
}
