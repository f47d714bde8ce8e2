//! What one seed is about: how large the world is and which faults may happen in it.
//!
//! What it is not: the faults themselves; each part of the world has its own.
//!
//! What surprises: every seed leaves some faults out. A world in which everything fails all the
//! time never gets far enough to meet the rare ones.

use headcount_core::mutant::{self, Mutant};

use crate::rng::Rng;

/// A mistake outside the two state machines: in what runs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The token holds `hi` too.
    HiInToken,
    /// The day of an insert is read from the clock when it is sent, again at every retry.
    DayFromClock,
    /// The ledger row goes in an insert of its own, before the counts.
    LedgerFirst,
    /// The ledger row goes in an insert of its own, after the counts.
    LedgerLast,
    /// The counts go into the partition of their own day: an insert touches several.
    ManyPartitions,
    /// Half of the counts go in a block of their own.
    TwoBlocks,
    /// The ledger is read in today's partition only.
    ReadToday,
    /// The ledger's last row is taken for all it knows of the streams.
    LastRowOnly,
    /// An aggregator begins where Kafka's committed offset says; it is committed when records are
    /// fetched.
    CommittedOffset,
    /// Nobody waits for a running insert.
    FenceNothing,
    /// The insert is not refused when the ledger has its range.
    NoGuard,
    /// The token is new at every attempt.
    NoToken,
    /// An aggregator begins at the end of the log.
    BeginAtEnd,
    /// Hits are answered when they are written, before the sync.
    AnswerEarly,
    /// Released cells are deleted in one transaction, their batches written in the next.
    ReleaseApart,
    /// Batches are written in one transaction, their cells deleted in the next.
    BatchesFirst,
    /// After a restart the sequence numbers begin again, in the same epoch.
    SeqAgain,
    /// Outbox rows are deleted when they are offered.
    EmptyOnOffer,
    /// Batches are offered before they are durable.
    ShipEarly,
    /// The journal is not read at a start.
    ForgetJournal,
    /// A file restored from an older copy goes on in the same epoch.
    RestoreSameEpoch,
    /// A file restored from an older copy begins a new epoch, and sends its cells again.
    RestoreKeepsCells,
    /// An acknowledgement is given before the store has written.
    AckOnTake,
    /// A producer made anew takes records before the shipper has heard of it.
    TakeBeforeRestarted,
}

impl Flaw {
    pub(crate) const ALL: [Self; 24] = [
        Self::HiInToken,
        Self::DayFromClock,
        Self::LedgerFirst,
        Self::LedgerLast,
        Self::ManyPartitions,
        Self::TwoBlocks,
        Self::ReadToday,
        Self::LastRowOnly,
        Self::CommittedOffset,
        Self::FenceNothing,
        Self::NoGuard,
        Self::NoToken,
        Self::BeginAtEnd,
        Self::AnswerEarly,
        Self::ReleaseApart,
        Self::BatchesFirst,
        Self::SeqAgain,
        Self::EmptyOnOffer,
        Self::ShipEarly,
        Self::ForgetJournal,
        Self::RestoreSameEpoch,
        Self::RestoreKeepsCells,
        Self::AckOnTake,
        Self::TakeBeforeRestarted,
    ];
}

/// A protocol with one mistake, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Right,
    Machine(Mutant),
    Around(Flaw),
}

impl Protocol {
    /// Makes this thread's machines follow it.
    pub(crate) fn set(self) {
        mutant::set(if let Self::Machine(mutant) = self { Some(mutant) } else { None });
    }

    pub(crate) fn flaw(self) -> Option<Flaw> {
        if let Self::Around(flaw) = self { Some(flaw) } else { None }
    }
}

/// Which faults may happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) collector_crash: bool,
    pub(crate) aggregator_crash: bool,
    pub(crate) store_crash: bool,
    /// A crash of the store that takes the last tokens with it.
    pub(crate) power_cut: bool,
    /// A process stands still, and others take it for dead.
    pub(crate) stall: bool,
    pub(crate) rebalance: bool,
    /// A producer does not hear what became of its records.
    pub(crate) restart: bool,
    /// Leaders change and lose what was not acknowledged.
    pub(crate) failover: bool,
    /// An insert or its answer is late or lost.
    pub(crate) late: bool,
    pub(crate) refuse: bool,
    pub(crate) clock: bool,
    /// A consumer is given records again.
    pub(crate) rewind: bool,
    pub(crate) disk_full: bool,
    /// The edge file is restored from an older copy (embedded mode).
    pub(crate) restore: bool,
    /// Batches that nobody can read; a human sets them aside.
    pub(crate) poison: bool,
    /// The log loses acknowledged records, which Kafka promises not to do.
    pub(crate) log_loss: bool,
    /// The store loses a part that it had published.
    pub(crate) part_loss: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Outbox to aggregator without Kafka, and SQLite for ClickHouse.
    pub(crate) embedded: bool,
    pub(crate) collectors: usize,
    pub(crate) partitions: usize,
    pub(crate) aggregators: usize,
    pub(crate) crowd: u64,
    pub(crate) steps: usize,
    pub(crate) hits: usize,
    /// Tokens that the store remembers.
    pub(crate) window: usize,
    /// ClickHouse 26.9 writes a token down before the part is published, newer ones after.
    pub(crate) token_first: bool,
    /// The store refuses a range that its ledger has. Without it a twin must not outlive the
    /// window, nor a crash of the store.
    pub(crate) guarded: bool,
    pub(crate) faults: Faults,
}

impl Setting {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let embedded = rng.percent(25);
        let one = |rng: &mut Rng, n: usize| if embedded { 1 } else { 1 + rng.below(n) };
        let mut setting = Self {
            embedded,
            collectors: one(rng, 3),
            partitions: one(rng, 2),
            aggregators: one(rng, 3),
            crowd: [1, 2, 4][rng.below(3)],
            steps: 150 + rng.below(350),
            hits: 4 + rng.below(20),
            window: 1_000,
            token_first: rng.percent(60),
            guarded: rng.percent(50),
            faults: Faults::default(),
        };
        setting.window = if setting.guarded { [4, 8, 1_000] } else { [8, 16, 1_000] }[rng.below(3)];
        let mut may = |chance| rng.percent(chance);
        setting.faults = Faults {
            collector_crash: may(60),
            aggregator_crash: may(60),
            store_crash: may(50),
            power_cut: may(30),
            stall: may(50),
            rebalance: may(60),
            restart: may(50),
            failover: may(40),
            late: may(65),
            refuse: may(40),
            clock: may(60),
            rewind: may(30),
            disk_full: may(20),
            restore: embedded && may(50),
            poison: !embedded && may(8),
            log_loss: !embedded && may(8),
            part_loss: may(5),
        };
        if setting.faults.part_loss {
            setting.faults.restore = false;
        }
        if setting.faults.poison {
            // A number given twice, to a batch that was not written and to a readable one.
            setting.faults.disk_full = false;
        }
        if setting.faults.log_loss || setting.faults.part_loss {
            // A stream that ended before the loss has no later number to show it.
            setting.faults.collector_crash = false;
            setting.faults.poison = false;
        }
        setting
    }
}
