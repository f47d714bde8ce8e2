//! The shipper: which batch of the outbox is offered next, and which rows may go. Pure.
//!
//! What it is not: the outbox. The edge file keeps the rows; a row goes only after what is said
//! here was told by an acknowledgement.
//!
//! What surprises: it never looks for a batch that failed. When a transport says that what was
//! sent may be gone, everything without an acknowledgement is offered again, from the first and
//! in order: the other side drops what it has, and could not bear a batch that is missing.

use std::collections::{BTreeMap, VecDeque};

use headcount_core::batch::BatchId;
use headcount_core::mutant::{self, Mutant};
use headcount_transport::{News, Offered, Record};

/// Batches of one partition on their way at most, so that a transport holds no more than this
/// many copies.
pub const IN_FLIGHT_BATCHES_MAX: usize = 32;

/// Batches that are not acknowledged, and acknowledgements that the edge file has not heard of.
#[derive(Debug, Default)]
pub struct Shipper {
    ways: BTreeMap<u32, Way>,
    acked: BTreeMap<(u32, u64), BatchId>,
    is_closed: bool,
}

/// One partition's batches in the order in which they were released; those of an older epoch come
/// first.
#[derive(Debug, Default)]
struct Way {
    records: VecDeque<Record>,
    /// The first so many are on their way.
    sent: usize,
}

impl Shipper {
    /// A shipper of what a start found in the outbox.
    pub fn new(outbox: impl IntoIterator<Item = Record>) -> Self {
        let mut shipper = Self::default();
        shipper.put(outbox);
        shipper
    }

    /// Takes batches that the edge file has durably put into its outbox, in that order.
    pub fn put(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.ways.entry(record.partition).or_default().records.push_back(record);
        }
    }

    /// Offers every partition's batches in order, as many as may be on their way.
    pub fn ship(&mut self, mut offer: impl FnMut(Record) -> Offered) {
        for way in self.ways.values_mut() {
            while way.sent < IN_FLIGHT_BATCHES_MAX
                && !self.is_closed
                && let Some(record) = way.records.get(way.sent)
            {
                match offer(record.clone()) {
                    Offered::Sent if mutant::is(Mutant::AckOnSend) => {
                        let key = (record.partition, record.id.epoch);
                        self.acked.insert(key, record.id);
                        drop(way.records.remove(way.sent));
                    }
                    Offered::Sent => way.sent += 1,
                    Offered::Full(_) if mutant::is(Mutant::SkipFull) => way.sent += 1,
                    Offered::Full(_) => break,
                    Offered::Closed => self.is_closed = true,
                }
            }
        }
    }

    /// Takes a piece of news.
    pub fn hear(&mut self, news: News) {
        match news {
            News::Acked { partition, id } => self.acked(partition, id),
            News::Restarted if mutant::is(Mutant::IgnoreRestart) => {}
            News::Restarted => self.ways.values_mut().for_each(Way::restart),
        }
    }

    fn acked(&mut self, partition: u32, id: BatchId) {
        if mutant::is(Mutant::AckAnyPartition) {
            let others: Vec<u32> = self.ways.keys().copied().collect();
            others.into_iter().for_each(|partition| self.acked_one(partition, id));
        }
        self.acked_one(partition, id);
    }

    fn acked_one(&mut self, partition: u32, id: BatchId) {
        let Some(way) = self.ways.get_mut(&partition) else { return };
        let is_safe = |record: &Record| {
            let of = record.id;
            let is_epoch = of.epoch == id.epoch || mutant::is(Mutant::AckAnyEpoch);
            of.collector == id.collector && is_epoch && of.seq <= id.seq
        };
        let safe_of_sent = way.records.iter().take(way.sent).filter(|r| is_safe(r)).count();
        let before = way.records.len();
        way.records.retain(|record| !is_safe(record));
        way.sent -= safe_of_sent;
        // A row that was acknowledged before was also deleted, or still waits in `acked`.
        if way.records.len() < before {
            self.acked.insert((partition, id.epoch), id);
        }
    }

    /// Rows that may be deleted from the edge file: those of each partition up to this batch, in
    /// its epoch. Say [`Shipper::deleted`] when that is durable.
    pub fn deletable(&self) -> Vec<(u32, BatchId)> {
        self.acked.iter().map(|((partition, _), id)| (*partition, *id)).collect()
    }

    /// The edge file has deleted these rows.
    pub fn deleted(&mut self, rows: &[(u32, BatchId)]) {
        for (partition, id) in rows {
            if self.acked.get(&(*partition, id.epoch)) == Some(id) {
                self.acked.remove(&(*partition, id.epoch));
            }
        }
    }

    /// The last batch of each partition that is without an acknowledgement.
    pub fn tails(&self) -> Vec<(u32, BatchId)> {
        let last = |(partition, way): (&u32, &Way)| Some((*partition, way.records.back()?.id));
        self.ways.iter().filter_map(last).collect()
    }

    /// Whether none of these batches waits for its acknowledgement, nor one before them.
    pub fn has_passed(&self, tails: &[(u32, BatchId)]) -> bool {
        let waits = |(partition, id): &(u32, BatchId)| {
            let way = self.ways.get(partition);
            way.is_some_and(|way| way.records.iter().any(|record| record.id == *id))
        };
        !tails.iter().any(waits)
    }

    /// Batches without an acknowledgement.
    pub fn len(&self) -> usize {
        self.ways.values().map(|way| way.records.len()).sum()
    }

    /// Whether every batch is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Way {
    fn restart(&mut self) {
        self.sent = 0;
        if mutant::is(Mutant::ResendBackwards) {
            self.records.make_contiguous().reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: u32, epoch: u64, seq: u64) -> Record {
        Record { id: BatchId { collector: 7, epoch, seq }, partition, payload: vec![1] }
    }

    fn acked(partition: u32, epoch: u64, seq: u64) -> News {
        News::Acked { partition, id: BatchId { collector: 7, epoch, seq } }
    }

    /// Everything that is offered while there is room.
    fn ship(shipper: &mut Shipper) -> Vec<(u32, u64, u64)> {
        let mut offered = Vec::new();
        shipper.ship(|record| {
            offered.push((record.partition, record.id.epoch, record.id.seq));
            Offered::Sent
        });
        offered
    }

    #[test]
    fn offers_in_order_and_deletes_after_the_acknowledgement() {
        let mut shipper = Shipper::new([record(0, 1, 8), record(0, 1, 9)]);
        shipper.put([record(0, 2, 1), record(3, 2, 1)]);
        assert_eq!(ship(&mut shipper), [(0, 1, 8), (0, 1, 9), (0, 2, 1), (3, 2, 1)]);
        assert_eq!(ship(&mut shipper), [], "each once");
        assert_eq!((shipper.len(), shipper.deletable()), (4, vec![]));
        shipper.hear(acked(0, 1, 9));
        let rows = (0, BatchId { collector: 7, epoch: 1, seq: 9 });
        assert_eq!((shipper.len(), shipper.deletable()), (2, vec![rows]));
        shipper.deleted(&[rows]);
        assert_eq!(shipper.deletable(), []);
        shipper.hear(acked(0, 1, 8));
        assert_eq!((shipper.len(), shipper.deletable()), (2, vec![]), "an old one again");
    }

    #[test]
    fn offers_again_from_the_first_without_an_acknowledgement() {
        let mut shipper = Shipper::new((1..=4).map(|seq| record(0, 1, seq)));
        ship(&mut shipper);
        shipper.hear(acked(0, 1, 1));
        shipper.hear(News::Restarted);
        shipper.hear(acked(0, 1, 2));
        assert_eq!(ship(&mut shipper), [(0, 1, 3), (0, 1, 4)]);
    }

    #[test]
    fn one_full_partition_does_not_stop_another() {
        let mut shipper = Shipper::new([record(0, 1, 1), record(1, 1, 1), record(1, 1, 2)]);
        let mut offered = Vec::new();
        shipper.ship(|record| {
            offered.push(record.partition);
            if record.partition == 0 { Offered::Full(record) } else { Offered::Sent }
        });
        assert_eq!(offered, [0, 1, 1]);
        assert_eq!(ship(&mut shipper), [(0, 1, 1)]);
    }

    /// Whoever waits for an erasure need not wait for those who are counted meanwhile.
    #[test]
    fn what_was_there_has_passed_although_more_has_come() {
        let mut shipper = Shipper::new([record(0, 1, 8), record(0, 2, 1), record(3, 2, 4)]);
        let tails = shipper.tails();
        assert!(shipper.has_passed(&[]) && !shipper.has_passed(&tails));
        shipper.put([record(0, 2, 2), record(1, 2, 1)]);
        ship(&mut shipper);
        shipper.hear(acked(3, 2, 4));
        shipper.hear(acked(0, 1, 8));
        assert!(!shipper.has_passed(&tails), "the last of its partition is not");
        shipper.hear(acked(0, 2, 1));
        assert!(shipper.has_passed(&tails) && !shipper.is_empty());
    }

    #[test]
    fn keeps_a_window_and_stops_at_a_closed_end() {
        let mut shipper = Shipper::new((1..=40).map(|seq| record(0, 1, seq)));
        assert_eq!(ship(&mut shipper).len(), IN_FLIGHT_BATCHES_MAX);
        shipper.hear(acked(0, 1, 10));
        assert_eq!(ship(&mut shipper).len(), 8);
        shipper.hear(News::Restarted);
        let mut offers = 0;
        shipper.ship(|_| {
            offers += 1;
            Offered::Closed
        });
        assert_eq!(offers, 1);
        assert_eq!(ship(&mut shipper), []);
    }
}
