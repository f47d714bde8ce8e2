//! One lane of batches: a state machine without I/O.
//!
//! What it is not: a thread, a clock or a store. Events go in, effects come out, and whoever runs
//! it does the effects and tells what came of them. The simulator runs this very code.
//!
//! What surprises: a failed insert may have been written all the same. Nothing is sent again
//! before the ledger has been read.

use headcount_core::batch::{Batch, WireError};
use headcount_core::ledger::{Progress, Verdict};
use headcount_core::time::Day;

/// Cells that close an insert.
pub const INSERT_CELLS_MAX: usize = 100_000;

/// What happens to a lane.
#[derive(Debug)]
pub enum Event {
    /// A record arrived.
    Arrived {
        /// Its number in the lane.
        seq: u64,
        /// Its batch, if it could be read.
        batch: Result<Batch, WireError>,
    },
    /// Nothing more is there now: what is open should be written.
    Due,
    /// The insert was answered, well or badly.
    Answered,
    /// What the ledger says.
    ReadBack(Progress),
}

/// What a lane wants done.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Write these batches with one ledger row, in one transaction.
    Insert(Insert),
    /// Read the ledger, then say [`Event::ReadBack`].
    ReadLedger,
    /// Everything up to this number is in the store.
    Ack(u64),
    /// Stop the lane and call a human.
    Alarm(Alarm),
}

/// Batches `lo..=hi` of a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// First number, included.
    pub lo: u64,
    /// Last number, included.
    pub hi: u64,
    /// The day it was closed under; kept when it is written again.
    pub closed_day: Day,
    /// The batches, in order.
    pub batches: Vec<Batch>,
}

/// Why a lane stopped. Nothing is lost: its records wait where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A number is missing.
    Gap {
        /// The one that should have come.
        expected: u64,
        /// The one that came.
        came: u64,
    },
    /// A record cannot be read.
    Unreadable {
        /// Its number.
        seq: u64,
        /// Why.
        error: WireError,
    },
    /// The ledger went back, or on further than was ever sent.
    LedgerMoved {
        /// What it said before.
        before: u64,
        /// What it says now.
        now: u64,
    },
}

/// A lane's state.
#[derive(Debug, Default)]
pub struct Lane {
    progress: Progress,
    open: Vec<Batch>,
    open_cells: usize,
    /// The latest day heard of: a clock that goes back does not take closing days with it.
    today: Day,
    in_flight: Option<Insert>,
    /// What stops the lane as soon as the insert in flight is written.
    coming: Option<Alarm>,
    alarm: Option<Alarm>,
}

impl Lane {
    /// A lane of which the ledger says this.
    pub fn new(progress: Progress) -> Self {
        Self { progress, ..Self::default() }
    }

    /// Whether the lane takes records now; if not, leave them in the transport.
    pub fn takes_records(&self) -> bool {
        self.in_flight.is_none()
            && self.coming.is_none()
            && self.alarm.is_none()
            && self.open_cells < INSERT_CELLS_MAX
    }

    /// Why the lane has stopped, if it has.
    pub fn alarm(&self) -> Option<Alarm> {
        self.alarm
    }

    /// Takes one event and tells what to do.
    pub fn step(&mut self, event: Event, today: Day) -> Vec<Effect> {
        self.today = self.today.max(today);
        if self.alarm.is_some() {
            return Vec::new();
        }
        match event {
            Event::Arrived { seq, batch } => self.arrived(seq, batch),
            Event::Due => self.close(),
            Event::Answered => vec![Effect::ReadLedger],
            Event::ReadBack(progress) => self.read_back(progress),
        }
    }

    fn arrived(&mut self, seq: u64, batch: Result<Batch, WireError>) -> Vec<Effect> {
        let waiting = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        let next = Progress { applied: self.progress.applied + waiting };
        match (next.judge(seq), batch) {
            (Verdict::Repeat, _) if seq <= self.progress.applied => vec![Effect::Ack(seq)],
            (Verdict::Repeat, _) => Vec::new(),
            (Verdict::Gap { expected }, _) => self.raise(Alarm::Gap { expected, came: seq }),
            (Verdict::Apply, Err(error)) => {
                // What came before it is whole and should not wait for a human.
                let alarm = Alarm::Unreadable { seq, error };
                let effects = self.close();
                if self.in_flight.is_none() {
                    return self.raise(alarm);
                }
                self.coming = Some(alarm);
                effects
            }
            (Verdict::Apply, Ok(batch)) => {
                self.open_cells += batch.len();
                self.open.push(batch);
                if self.open_cells >= INSERT_CELLS_MAX { self.close() } else { Vec::new() }
            }
        }
    }

    /// Closes what is open, if nothing is being written.
    fn close(&mut self) -> Vec<Effect> {
        if self.open.is_empty() || self.in_flight.is_some() {
            return Vec::new();
        }
        self.open_cells = 0;
        let batches = std::mem::take(&mut self.open);
        let count = u64::try_from(batches.len()).unwrap_or(u64::MAX);
        let lo = self.progress.applied + 1;
        let insert =
            Insert { lo, hi: self.progress.applied + count, closed_day: self.today, batches };
        self.in_flight = Some(insert.clone());
        vec![Effect::Insert(insert)]
    }

    fn read_back(&mut self, now: Progress) -> Vec<Effect> {
        let Some(insert) = self.in_flight.take() else { return Vec::new() };
        if now.applied == insert.hi {
            self.progress = now;
            let mut effects = vec![Effect::Ack(insert.hi)];
            if let Some(alarm) = self.coming.take() {
                effects.extend(self.raise(alarm));
            }
            return effects;
        }
        if now == self.progress {
            // It was not written: the same insert again, the same numbers, the same bytes.
            self.in_flight = Some(insert.clone());
            return vec![Effect::Insert(insert)];
        }
        self.raise(Alarm::LedgerMoved { before: self.progress.applied, now: now.applied })
    }

    fn raise(&mut self, alarm: Alarm) -> Vec<Effect> {
        self.alarm = Some(alarm);
        vec![Effect::Alarm(alarm)]
    }
}

#[cfg(test)]
mod tests {
    use headcount_core::cell::{CellKey, Counts};
    use headcount_core::time::Hour;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Day = Day(9);

    fn batch(seq: u64) -> Batch {
        let page = format!("/{seq}");
        let counts = Counts { views: 1, ..Counts::ZERO };
        Batch::new([("a.b", CellKey::Page { hour: Hour(1), page: page.as_str() }, counts)]).unwrap()
    }

    fn arrived(seq: u64) -> Event {
        Event::Arrived { seq, batch: Ok(batch(seq)) }
    }

    #[test]
    fn writes_what_is_open_and_acknowledges_after_reading_back() {
        let mut lane = Lane::new(Progress { applied: 4 });
        assert!(lane.step(arrived(5), TODAY).is_empty());
        assert!(lane.step(arrived(6), TODAY).is_empty());
        let insert = Insert { lo: 5, hi: 6, closed_day: TODAY, batches: vec![batch(5), batch(6)] };
        assert_eq!(lane.step(Event::Due, TODAY), [Effect::Insert(insert.clone())]);
        assert!(!lane.takes_records());
        assert_eq!(lane.step(Event::Answered, TODAY), [Effect::ReadLedger]);
        let unwritten = Progress { applied: 4 };
        assert_eq!(lane.step(Event::ReadBack(unwritten), TODAY), [Effect::Insert(insert)], "again");
        let written = Progress { applied: 6 };
        assert_eq!(lane.step(Event::ReadBack(written), TODAY), [Effect::Ack(6)]);
        assert_eq!(lane.step(arrived(6), TODAY), [Effect::Ack(6)], "a resend");
    }

    #[test]
    fn stops_at_a_gap_and_at_what_it_cannot_read() {
        let mut lane = Lane::default();
        let gap = Alarm::Gap { expected: 1, came: 2 };
        assert_eq!(lane.step(arrived(2), TODAY), [Effect::Alarm(gap)]);
        assert!(lane.step(arrived(1), TODAY).is_empty() && !lane.takes_records());
        let mut lane = Lane::default();
        let error = WireError::Version(9);
        let alarm = Alarm::Unreadable { seq: 1, error };
        let event = Event::Arrived { seq: 1, batch: Err(error) };
        assert_eq!(lane.step(event, TODAY), [Effect::Alarm(alarm)]);
    }

    #[test]
    fn a_ledger_that_moved_by_itself_stops_the_lane() {
        let mut lane = Lane::new(Progress { applied: 4 });
        lane.step(arrived(5), TODAY);
        lane.step(Event::Due, TODAY);
        let moved = Alarm::LedgerMoved { before: 4, now: 9 };
        assert_eq!(
            lane.step(Event::ReadBack(Progress { applied: 9 }), TODAY),
            [Effect::Alarm(moved)]
        );
    }

    proptest! {
        /// Resends, failed inserts that were written, and failed ones that were not.
        #[test]
        fn every_batch_is_written_exactly_once(
            faults in proptest::collection::vec((0u8..4, any::<bool>()), 1..200)
        ) {
            let (mut lane, mut ledger, mut sent) = (Lane::default(), Progress::default(), 0u64);
            let mut written: Vec<u64> = Vec::new();
            let mut acked = 0;
            for (kind, lands) in faults {
                let event = match kind {
                    0 if lane.takes_records() => { sent += 1; arrived(sent) }
                    1 if sent > acked && lane.takes_records() => {
                        lane = Lane::new(ledger);
                        sent = ledger.applied;
                        continue;
                    }
                    _ => Event::Due,
                };
                let mut effects = lane.step(event, TODAY);
                while let Some(effect) = effects.pop() {
                    match effect {
                        Effect::Insert(insert) => {
                            prop_assert_eq!(insert.lo, ledger.applied + 1);
                            if lands {
                                written.extend(insert.lo..=insert.hi);
                                ledger.applied = insert.hi;
                            }
                            if !lands && kind == 3 { lane = Lane::new(ledger); sent = ledger.applied; break; }
                            if !lands { written.extend(insert.lo..=insert.hi); ledger.applied = insert.hi; }
                            effects.extend(lane.step(Event::Answered, TODAY));
                        }
                        Effect::ReadLedger => effects.extend(lane.step(Event::ReadBack(ledger), TODAY)),
                        Effect::Ack(seq) => { prop_assert!(seq <= ledger.applied); acked = seq; }
                        Effect::Alarm(alarm) => prop_assert!(false, "{:?}", alarm),
                    }
                }
            }
            let expect: Vec<u64> = (1..=ledger.applied).collect();
            prop_assert_eq!(written, expect);
        }
    }
}
