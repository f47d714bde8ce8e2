//! Memory for what must not outlive its day: the key and the marks.
//!
//! What it is not: a vault. Whoever may read the memory of the process reads this, too.
//!
//! What surprises: how much may be locked is the operator's to say (`ulimit -l`). What cannot be
//! locked is used all the same, left out of core dumps and wiped all the same, and says that it
//! may be swapped out.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, MmapMut};
use zeroize::Zeroize;

/// Words that [`forget_stack`] overwrites. A keyed hash of one block leaves three copies of its key in
/// 512 bytes (optimised, x86-64 with AVX-512); this is four times as much.
const STACK_WORDS: usize = if cfg!(debug_assertions) { 2_048 } else { 256 };

/// Pages of their own: in no core dump, in no child, wiped when they go.
pub(crate) struct Locked {
    pages: MmapMut,
    is_locked: bool,
}

impl Locked {
    /// Zeros. Look at [`Locked::is_locked`] afterwards.
    ///
    /// # Errors
    /// If the operating system has no memory, or cannot keep it out of dumps and children.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let pages = MmapMut::map_anon(bytes)?;
        pages.advise(Advice::DontDump)?;
        pages.advise(Advice::DontFork)?;
        let is_locked = pages.lock().is_ok();
        Ok(Self { pages, is_locked })
    }

    /// Whether it can never be swapped out.
    pub(crate) fn is_locked(&self) -> bool {
        self.is_locked
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.pages
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.pages
    }

    /// Overwrites everything with zeros.
    pub(crate) fn wipe(&mut self) {
        self.pages.zeroize();
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A key of no visitor: for what lies in memory for a minute, or for as long as nobody else takes
/// its place. Cores read it without a lock; it is overwritten in place when a day ends, so it
/// is not in locked memory but is as short of life as the other. While it is being overwritten a
/// core may read half of each, which is a key like any other.
pub(crate) struct LooseKey([AtomicU64; 4]);

impl LooseKey {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        let key = Self([const { AtomicU64::new(0) }; 4]);
        key.replace(bytes);
        key
    }

    /// Overwrites the key.
    pub(crate) fn replace(&self, bytes: &[u8; 32]) {
        let (words, _) = bytes.as_chunks();
        for (place, word) in self.0.iter().zip(words) {
            place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut();
        for (word, place) in words.iter_mut().zip(&self.0) {
            *word = place.load(Ordering::Relaxed).to_le_bytes();
        }
        bytes
    }
}

/// Overwrites what the functions called just before left on the stack. A hash copies its key
/// there, where no lock holds it.
#[inline(never)]
pub(crate) fn forget_stack() {
    let mut below = [0u64; STACK_WORDS];
    black_box(&mut below);
}
