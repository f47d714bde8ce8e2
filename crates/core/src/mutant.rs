//! Mistakes that the protocol could contain, to be switched on one at a time.
//!
//! What it is not: in any build but the simulator's. Without the feature `mutants` the question
//! [`is`] is a constant, and the compiler removes what hangs on it.
//!
//! What surprises: this is how the simulator is tested. Each mistake must be seen by it.

/// A mistake in one of the two state machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Lane: a success is believed without reading the ledger.
    BelieveSuccess,
    /// Lane: the ledger is not read before an insert.
    NoReadBefore,
    /// Lane: another token after an unclear answer.
    NewTokenAfterUnclear,
    /// Lane: another token without asking whether a twin still runs.
    NoFence,
    /// Lane: what is new is judged by position.
    JudgeByPosition,
    /// Lane: missing batches are passed over.
    AcceptGap,
    /// Lane: a repeat is taken.
    ApplyRepeat,
    /// Lane: another `hi` in the ledger is taken for ours.
    IgnoreTwin,
    /// Lane: after another `hi` it goes on with what it had opened.
    KeepOpenAfterTwin,
    /// Lane: after another `hi` it does not ask for the records behind it again.
    NoSeek,
    /// Lane: an insert that is not in the ledger is given up.
    DropAbsent,
    /// Lane: a batch of a stream never seen may begin anywhere.
    AnyBeginning,
    /// Lane: records are taken while an insert is in flight, and dropped.
    DropWhileInFlight,
    /// Shipper: sent is as good as acknowledged.
    AckOnSend,
    /// Shipper: a restarted transport is not heard.
    IgnoreRestart,
    /// Shipper: after a restart the last comes first.
    ResendBackwards,
    /// Shipper: an acknowledgement counts for every epoch.
    AckAnyEpoch,
    /// Shipper: an acknowledgement counts for every partition.
    AckAnyPartition,
    /// Shipper: a batch that found no room is passed over.
    SkipFull,
}

impl Mutant {
    /// Every mistake.
    pub const ALL: [Self; 19] = [
        Self::BelieveSuccess,
        Self::NoReadBefore,
        Self::NewTokenAfterUnclear,
        Self::NoFence,
        Self::JudgeByPosition,
        Self::AcceptGap,
        Self::ApplyRepeat,
        Self::IgnoreTwin,
        Self::KeepOpenAfterTwin,
        Self::NoSeek,
        Self::DropAbsent,
        Self::AnyBeginning,
        Self::DropWhileInFlight,
        Self::AckOnSend,
        Self::IgnoreRestart,
        Self::ResendBackwards,
        Self::AckAnyEpoch,
        Self::AckAnyPartition,
        Self::SkipFull,
    ];
}

#[cfg(feature = "mutants")]
thread_local! {
    static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Makes this mistake in this thread from now on.
#[cfg(feature = "mutants")]
pub fn set(mutant: Option<Mutant>) {
    ON.set(mutant);
}

/// Whether this mistake is to be made.
#[cfg(feature = "mutants")]
pub fn is(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}

/// Whether this mistake is to be made: never.
#[cfg(not(feature = "mutants"))]
#[inline]
pub const fn is(_: Mutant) -> bool {
    false
}
