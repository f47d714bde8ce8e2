//! How often wrong tokens, codes and links may be tried, and how often somebody may sign in.
//!
//! What it is not: what keeps tokens from being guessed; they are 256 random bits. It bounds what a
//! flood of wrong ones costs, and what signing in writes into the admin log.
//!
//! What surprises: a network is a number that means nothing outside this process, and is in memory
//! only. A token that was right before is looked up also while its network may try nothing else, so
//! that nobody can lock out who works already.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::reply::Trouble;
use crate::session::{Digest, digest};

/// Wrong tries of a network before it has to wait.
pub(crate) const WRONG_MAX: u64 = 20;
/// Sign-ins of all before the next has to wait.
pub(crate) const SIGN_INS_MAX: u64 = 100;
/// One try more after so long.
pub(crate) const SECONDS_PER_TRY: u64 = 3;
/// Sign-ins with one token before the next has to wait: a team may share one.
pub(crate) const SIGN_INS_OF_TOKEN_MAX: u64 = 30;
/// One more with it after so long: 144 a day, of which the admin log holds two years.
pub(crate) const SECONDS_PER_SIGN_IN: u64 = 600;
/// Networks that are remembered; beyond, the one with the fewest wrong tries is forgotten.
pub(crate) const NETWORKS_MAX: usize = 4_096;
/// Tokens whose sign-ins are remembered; beyond, the one with the fewest is forgotten.
pub(crate) const TOKENS_MAX: usize = 1_000;
/// Tokens that were right and are remembered; beyond, all are forgotten.
const RIGHT_MAX: usize = 1_000;

/// Who asks, as far as it matters here: a number of the network, drawn anew by each process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Asker(pub u64);

/// Tries that have not been forgotten yet; one is after each `SECONDS`.
#[derive(Clone, Copy, Debug, Default)]
struct Level<const SECONDS: u64> {
    tries: u64,
    at: u64,
}

impl<const SECONDS: u64> Level<SECONDS> {
    /// What is left of it now. A clock that went back frees nobody, and keeps nobody longer.
    fn now(self, now: u64) -> Self {
        let at = self.at.min(now);
        let forgotten = (now - at) / SECONDS;
        match self.tries.checked_sub(forgotten) {
            None | Some(0) => Self { tries: 0, at: now },
            Some(tries) => Self { tries, at: at + forgotten * SECONDS },
        }
    }

    fn one_more(self, now: u64) -> Self {
        let level = self.now(now);
        Self { tries: level.tries + 1, ..level }
    }
}

/// The level of each, as long as it has one.
type Levels<K, const SECONDS: u64> = HashMap<K, Level<SECONDS>>;

/// Adds one to the level of `key`; of more than `max` keys the one with the lowest is forgotten.
fn count<K: Copy + Eq + Hash, const SECONDS: u64>(
    levels: &mut Levels<K, SECONDS>,
    max: usize,
    (key, now): (K, u64),
) {
    if levels.len() >= max && !levels.contains_key(&key) {
        let lowest = levels.iter().min_by_key(|(_, level)| level.now(now).tries);
        if let Some(lowest) = lowest.map(|(key, _)| *key) {
            levels.remove(&lowest);
        }
    }
    let level = levels.entry(key).or_default();
    *level = level.one_more(now);
}

#[derive(Default)]
struct Table {
    wrong: Levels<Asker, SECONDS_PER_TRY>,
    sign_ins: Level<SECONDS_PER_TRY>,
    /// By what they were signed in with.
    sign_ins_of: Levels<Digest, SECONDS_PER_SIGN_IN>,
    right: HashSet<Digest>,
}

/// What was tried lately.
#[derive(Default)]
pub(crate) struct Tries(Mutex<Table>);

impl Tries {
    /// Whether a secret may be looked up for this asker.
    pub(crate) fn may_try(&self, asker: Asker, secret: &str, now: u64) -> Result<(), Trouble> {
        let mut table = self.table();
        let Some(level) = table.wrong.get_mut(&asker) else { return Ok(()) };
        *level = level.now(now);
        if level.tries < WRONG_MAX || table.right.contains(&digest(secret)) {
            Ok(())
        } else {
            Err(Trouble::TooMany)
        }
    }

    /// Notes that a secret opened something.
    pub(crate) fn right(&self, secret: &str) {
        let mut table = self.table();
        if table.right.len() >= RIGHT_MAX {
            table.right.clear();
        }
        table.right.insert(digest(secret));
    }

    /// Notes that a secret opened nothing.
    pub(crate) fn wrong(&self, asker: Asker, now: u64) {
        count(&mut self.table().wrong, NETWORKS_MAX, (asker, now));
    }

    /// Whether there may be another sign-in now, and one with this secret.
    pub(crate) fn may_sign_in(&self, secret: &str, now: u64) -> Result<(), Trouble> {
        let mut table = self.table();
        table.sign_ins = table.sign_ins.now(now);
        let is_busy = table.sign_ins_of.get_mut(&digest(secret)).is_some_and(|level| {
            *level = level.now(now);
            level.tries >= SIGN_INS_OF_TOKEN_MAX
        });
        match (table.sign_ins.tries >= SIGN_INS_MAX, is_busy) {
            (true, _) => Err(Trouble::TooMany),
            (false, true) => Err(Trouble::TooOften),
            (false, false) => Ok(()),
        }
    }

    /// Counts a sign-in: one that came to something. A wrong secret writes nothing, and takes nobody's
    /// turn. The code of the process is counted with all and not by itself: nobody could revoke it.
    pub(crate) fn signed_in(&self, token: Option<&str>, now: u64) {
        let mut table = self.table();
        table.sign_ins = table.sign_ins.one_more(now);
        if let Some(token) = token {
            count(&mut table.sign_ins_of, TOKENS_MAX, (digest(token), now));
        }
    }

    /// A poisoned table is still a table: each change of it is whole.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_waits_after_so_many_wrong_tries_and_others_do_not() {
        let tries = Tries::default();
        let (bad, good) = (Asker(1), Asker(2));
        let may = |asker, secret, now| tries.may_try(asker, secret, now).is_ok();
        for _ in 0..WRONG_MAX {
            assert!(may(bad, "x", 100));
            tries.wrong(bad, 100);
        }
        assert!(!may(bad, "x", 100) && may(good, "x", 100));
        assert!(!may(bad, "y", 100), "a right secret that is not known yet waits, too");
        tries.right("y");
        assert!(may(bad, "y", 100) && !may(bad, "x", 100));
        assert!(!may(bad, "x", 100 + SECONDS_PER_TRY - 1) && may(bad, "x", 100 + SECONDS_PER_TRY));
        tries.wrong(bad, 100 + SECONDS_PER_TRY);
        assert!(!may(bad, "x", 100 + SECONDS_PER_TRY));
        assert!(!may(bad, "x", 50), "a clock that goes back frees nobody");
    }

    #[test]
    fn the_tables_are_bounded() {
        let tries = Tries::default();
        let first = Asker(0);
        tries.wrong(first, 0);
        tries.wrong(first, 0);
        for n in 1..10 + NETWORKS_MAX as u64 {
            tries.wrong(Asker(n), 0);
        }
        assert_eq!(tries.table().wrong.len(), NETWORKS_MAX);
        assert!(tries.table().wrong.contains_key(&first), "who tried most is remembered longest");
        (0..2 * RIGHT_MAX).for_each(|n| tries.right(&n.to_string()));
        assert!(tries.table().right.len() <= RIGHT_MAX);
    }

    #[test]
    fn sign_ins_are_bounded_together() {
        let tries = Tries::default();
        let may = |secret, now| tries.may_sign_in(secret, now).is_ok();
        for _ in 0..SIGN_INS_MAX {
            assert!(may("code", 9));
            tries.signed_in(None, 9);
        }
        assert!(!may("code", 9) && may("code", 9 + SECONDS_PER_TRY));
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nobody_out_for_longer() {
        let tries = Tries::default();
        let (asker, ahead, now) = (Asker(1), 1_000_000, 100);
        let may = |now| {
            let tried = tries.may_try(asker, "x", now).is_ok();
            [tried, tries.may_sign_in("token", now).is_ok()]
        };
        for _ in 0..SIGN_INS_MAX {
            tries.wrong(asker, ahead);
            tries.signed_in(Some("token"), ahead);
        }
        assert_eq!(may(now), [false, false], "back in time");
        let all = now + SIGN_INS_MAX * SECONDS_PER_SIGN_IN;
        assert_eq!(may(all), [true, true]);
    }

    #[test]
    fn sign_ins_with_one_token_are_bounded_by_themselves() {
        let tries = Tries::default();
        let may = |secret, now| tries.may_sign_in(secret, now).is_ok();
        for _ in 0..SIGN_INS_OF_TOKEN_MAX {
            assert!(may("busy", 9));
            tries.signed_in(Some("busy"), 9);
        }
        assert!(!may("busy", 9) && may("other", 9));
        let later = 9 + SECONDS_PER_SIGN_IN;
        assert!(!may("busy", later - 1) && may("busy", later));
        for n in 0..2 * TOKENS_MAX {
            tries.signed_in(Some(&n.to_string()), later);
        }
        assert_eq!(tries.table().sign_ins_of.len(), TOKENS_MAX);
        assert!(!may("busy", later - 1), "who signed in most is remembered longest");
    }
}
