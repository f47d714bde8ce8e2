//! What a lane does, event by event.
//!
//! What it is not: the whole proof. `tests/simulation` runs the lane against models of everything
//! around it.
//!
//! What surprises: nothing.

use headcount_core::cell::{CellKey, Counts};
use headcount_core::time::Hour;
use proptest::prelude::*;

use super::*;

const DAY: Day = Day(9);

fn batch_of(day: Day, name: u64) -> Batch {
    let page = format!("/{name}");
    let counts = Counts { views: 1, ..Counts::ZERO };
    let key = CellKey::Page { hour: day.first_hour(), page: page.as_str() };
    Batch::new([("a.b", key, counts)]).unwrap()
}

fn batch(name: u64) -> Batch {
    batch_of(DAY, name)
}

fn id(collector: u64, seq: u64) -> BatchId {
    BatchId { collector, epoch: 1, seq }
}

/// The batch `seq` of a collector at a position.
fn came(position: u64, collector: u64, seq: u64) -> Event {
    Event::Arrived { position, record: Ok((id(collector, seq), batch(seq))) }
}

fn standing(applied: u64, seqs: &[(u64, u64)]) -> Standing {
    let last_seqs = seqs.iter().map(|(c, seq)| (Stream::of(id(*c, 0)), *seq)).collect();
    Standing { applied, last_seqs }
}

fn only(mut effects: Vec<Effect>) -> Effect {
    assert_eq!(effects.len(), 1, "{effects:?}");
    effects.remove(0)
}

/// The insert that these effects come to, when the ledger says nothing new.
fn inserted(lane: &mut Lane, effects: Vec<Effect>) -> (Insert, u32) {
    let mut effect = only(effects);
    if effect == Effect::ReadLedger {
        effect = only(lane.step(Event::ReadBack(lane.standing.clone())));
    }
    match effect {
        Effect::Insert { insert, attempt } => (insert, attempt),
        other => panic!("{other:?}"),
    }
}

fn inserted_by(lane: &mut Lane, event: Event) -> (Insert, u32) {
    let effects = lane.step(event);
    inserted(lane, effects)
}

/// A lane with the batches 1 and 2 of collector 7 at 1 and 2 in flight, answered so.
fn answered(answer: Answer) -> (Lane, Insert) {
    let mut lane = Lane::default();
    assert!(lane.step(came(1, 7, 1)).is_empty());
    assert!(lane.step(came(2, 7, 2)).is_empty());
    let (insert, attempt) = inserted_by(&mut lane, Event::Due);
    assert_eq!(attempt, 1);
    assert_eq!(lane.step(Event::Answered(answer)), [Effect::ReadLedger]);
    (lane, insert)
}

#[test]
fn writes_what_is_open_and_acknowledges_after_reading_back() {
    let mut lane = Lane::new(standing(4, &[(7, 4)]));
    assert!(lane.step(came(5, 7, 5)).is_empty());
    assert!(lane.step(came(6, 7, 6)).is_empty());
    let (insert, _) = inserted_by(&mut lane, Event::Due);
    let expect = Insert {
        lo: 5,
        hi: 6,
        closed_day: DAY,
        batches: vec![batch(5), batch(6)],
        last_seqs: vec![id(7, 6)],
    };
    assert_eq!(insert, expect);
    assert!(!lane.takes_records());
    assert_eq!(lane.step(came(7, 7, 7)), [Effect::Seek(6)], "nobody asked for it");
    assert_eq!(lane.step(Event::Answered(Answer::Unclear)), [Effect::ReadLedger]);
    let again = inserted_by(&mut lane, Event::ReadBack(standing(4, &[(7, 4)])));
    assert_eq!(again, (expect, 1), "the same again");
    assert_eq!(lane.step(Event::Answered(Answer::Unclear)), [Effect::ReadLedger]);
    assert_eq!(lane.step(Event::ReadBack(standing(6, &[(7, 6)]))), [Effect::Ack(6)]);
    assert_eq!(lane.step(came(6, 7, 6)), [Effect::Ack(6)], "a resend");
}

#[test]
fn judges_by_the_number_in_the_stream_and_not_by_the_position() {
    let mut lane = Lane::new(standing(10, &[(7, 4)]));
    assert!(lane.step(came(11, 7, 4)).is_empty(), "a resend at a new position");
    assert!(lane.step(came(12, 7, 5)).is_empty());
    assert!(lane.step(came(14, 7, 5)).is_empty(), "positions may skip");
    assert!(lane.step(came(15, 8, 1)).is_empty(), "a new stream begins at 1");
    let (insert, _) = inserted_by(&mut lane, Event::Due);
    assert_eq!((insert.lo, insert.hi), (11, 15));
    assert_eq!(insert.batches, [batch(5), batch(1)]);
    assert_eq!(insert.last_seqs, [id(7, 5), id(8, 1)]);
}

#[test]
fn repeats_alone_are_not_written() {
    let mut lane = Lane::new(standing(10, &[(7, 4)]));
    assert!(lane.step(came(11, 7, 3)).is_empty());
    assert!(lane.step(Event::Due).is_empty() && !lane.has_open());
    assert!(lane.step(came(12, 7, 5)).is_empty());
    let (insert, _) = inserted_by(&mut lane, Event::Due);
    assert_eq!((insert.lo, insert.hi), (11, 12), "the next range covers them");
}

#[test]
fn a_success_without_a_row_is_fenced_before_another_token() {
    let (mut lane, insert) = answered(Answer::Success);
    let absent = || Event::ReadBack(Standing::default());
    assert_eq!(lane.step(absent()), [Effect::Fence { lo: 1 }]);
    assert_eq!(lane.step(Event::Fenced), [Effect::ReadLedger]);
    assert_eq!(inserted_by(&mut lane, absent()), (insert, 2));
    let (mut lane, _) = answered(Answer::Success);
    lane.step(absent());
    lane.step(Event::Fenced);
    let twin = Event::ReadBack(standing(2, &[(7, 2)]));
    assert_eq!(lane.step(twin), [Effect::Ack(2)], "a twin had the token");
}

#[test]
fn a_lane_that_stood_still_sends_nothing_old() {
    let mut lane = Lane::default();
    lane.step(came(1, 7, 1));
    assert_eq!(lane.step(Event::Due), [Effect::ReadLedger]);
    let effects = lane.step(Event::ReadBack(standing(40, &[(7, 40)])));
    assert_eq!(effects, [Effect::Ack(40), Effect::Seek(40)]);
    lane.step(came(41, 7, 41));
    lane.step(Event::Due);
    let written = Event::ReadBack(standing(41, &[(7, 41)]));
    assert_eq!(lane.step(written), [Effect::Ack(41)], "a twin wrote the same");
}

#[test]
fn only_a_success_without_a_row_spends_a_token() {
    for answer in [Answer::Unclear, Answer::Refused] {
        let (mut lane, insert) = answered(answer);
        let again = inserted_by(&mut lane, Event::ReadBack(Standing::default()));
        assert_eq!(again, (insert, 1));
    }
}

#[test]
fn goes_on_from_what_a_twin_wrote() {
    for other in [standing(1, &[(7, 1)]), standing(9, &[(7, 5), (8, 4)])] {
        let (mut lane, _) = answered(Answer::Success);
        let applied = other.applied;
        let seq = other.last_seqs.values().next().copied().unwrap();
        let effects = lane.step(Event::ReadBack(other));
        assert_eq!(effects, [Effect::Ack(applied), Effect::Seek(applied)]);
        assert!(lane.takes_records() && !lane.has_open());
        assert!(lane.step(came(applied + 1, 7, seq + 1)).is_empty());
        assert_eq!(inserted_by(&mut lane, Event::Due).0.lo, applied + 1);
    }
}

#[test]
fn a_ledger_that_went_back_or_differs_stops_the_lane() {
    let mut lane = Lane::new(standing(4, &[(7, 4)]));
    let moved = Alarm::LedgerMoved { before: 4, now: 3 };
    assert_eq!(lane.step(Event::ReadBack(standing(3, &[(7, 3)]))), [Effect::Alarm(moved)]);
    let (mut lane, _) = answered(Answer::Success);
    let differs = Alarm::LedgerDiffers { hi: 2 };
    assert_eq!(lane.step(Event::ReadBack(standing(2, &[(7, 1)]))), [Effect::Alarm(differs)]);
    assert_eq!(lane.alarm(), Some(differs));
    assert!(lane.step(came(3, 7, 3)).is_empty() && !lane.takes_records());
}

#[test]
fn a_new_batch_at_an_old_position_stops_the_lane() {
    let mut lane = Lane::new(standing(4, &[(7, 4)]));
    let alarm = Alarm::LogTruncated { position: 4, passed: 4 };
    assert_eq!(lane.step(came(4, 7, 5)), [Effect::Alarm(alarm)]);
}

#[test]
fn stops_at_a_gap_after_writing_what_came_before() {
    let mut lane = Lane::default();
    lane.step(came(1, 7, 1));
    let (insert, _) = inserted_by(&mut lane, came(3, 7, 3));
    assert_eq!((insert.lo, insert.hi), (1, 1));
    assert!(!lane.takes_records() && lane.alarm().is_none());
    lane.step(Event::Answered(Answer::Success));
    let gap = Alarm::Gap { position: 3, came: id(7, 3), expected: 2 };
    let written = Event::ReadBack(standing(1, &[(7, 1)]));
    assert_eq!(lane.step(written), [Effect::Ack(1), Effect::Alarm(gap)]);
    assert!(lane.step(Event::SetAside(2)).is_empty(), "another place");
    assert_eq!(lane.step(Event::SetAside(3)), [Effect::Seek(1)]);
    assert!(lane.step(came(3, 7, 3)).is_empty());
    let (insert, _) = inserted_by(&mut lane, Event::Due);
    assert_eq!((insert.lo, insert.hi), (2, 3));
    assert_eq!(insert.last_seqs, [id(7, 3)], "the row shows the jump");
}

#[test]
fn stops_at_what_it_cannot_read_unless_it_is_set_aside() {
    let error = WireError::Version(9);
    let bad = |id| Event::Arrived { position: 1, record: Err(Unreadable { id, error }) };
    let mut lane = Lane::default();
    let alarm = Alarm::Unreadable { position: 1, error };
    assert_eq!(lane.step(bad(None)), [Effect::Alarm(alarm)]);
    assert_eq!(lane.step(Event::SetAside(1)), [Effect::Seek(0)]);
    assert!(lane.step(bad(None)).is_empty());
    assert!(lane.step(bad(None)).is_empty(), "behind us");
    let mut lane = Lane::default();
    assert!(lane.step(Event::SetAside(1)).is_empty());
    assert!(lane.step(bad(Some(id(7, 1)))).is_empty());
    assert!(lane.step(came(2, 7, 2)).is_empty(), "number 1 was given up");
    assert_eq!(inserted_by(&mut lane, Event::Due).0.last_seqs, [id(7, 2)]);
}

#[test]
fn a_cell_never_lies_under_an_earlier_day() {
    let mut lane = Lane::default();
    let at = |position, day| Event::Arrived {
        position,
        record: Ok((id(7, position), batch_of(day, position))),
    };
    lane.step(at(1, DAY));
    lane.step(at(2, DAY.minus(1)));
    let (insert, _) = inserted_by(&mut lane, at(3, DAY.plus(1)));
    assert_eq!((insert.hi, insert.closed_day, insert.batches.len()), (2, DAY, 2));
    assert!(lane.has_open() && !lane.takes_records());
    assert!(lane.step(Event::Due).is_empty(), "one insert at a time");
    lane.step(Event::Answered(Answer::Success));
    lane.step(Event::ReadBack(standing(2, &[(7, 2)])));
    let (insert, _) = inserted_by(&mut lane, Event::Due);
    assert_eq!((insert.lo, insert.hi, insert.closed_day), (3, 3, DAY.plus(1)));
}

#[test]
fn a_batch_without_cells_is_passed() {
    let mut lane = Lane::default();
    let empty = Event::Arrived { position: 1, record: Ok((id(7, 1), Batch::default())) };
    assert!(lane.step(empty).is_empty() && !lane.has_open());
    assert!(lane.step(came(2, 7, 2)).is_empty());
    assert_eq!(inserted_by(&mut lane, Event::Due).0.lo, 1);
}

#[test]
fn closes_by_cells() {
    let mut lane = Lane::default();
    let cells: Vec<String> = (0..20_000).map(|n| format!("/{n}")).collect();
    let counts = Counts { views: 1, ..Counts::ZERO };
    let big = Batch::new(cells.iter().map(|page| {
        let key = CellKey::Page { hour: Hour(1), page: page.as_str() };
        ("a.b", key, counts)
    }))
    .unwrap();
    for seq in 1..=5 {
        let effects =
            lane.step(Event::Arrived { position: seq, record: Ok((id(7, seq), big.clone())) });
        assert_eq!(effects.len(), usize::from(seq == 5));
    }
    assert!(!lane.takes_records());
}

/// A batch of so many clicks, with about so many bytes of names in each.
fn clicks(cells: u32, name_bytes: usize) -> Batch {
    let target = "x".repeat(name_bytes);
    let pages: Vec<String> = (0..cells).map(|n| n.to_string()).collect();
    let counts = Counts { clicks: 1, ..Counts::ZERO };
    Batch::new(pages.iter().map(|page| {
        let (hour, page, target) = (DAY.first_hour(), page.as_str(), target.as_str());
        ("a.b", CellKey::Click { hour, page, target }, counts)
    }))
    .unwrap()
}

#[test]
fn closes_no_more_than_the_store_takes() {
    let check = |shapes: &[(u32, usize)]| {
        let batches: Vec<Batch> = shapes.iter().map(|(n, bytes)| clicks(*n, *bytes)).collect();
        let (mut lane, mut effects, mut seq) = (Lane::default(), Vec::new(), 0);
        for batch in batches.iter().cycle() {
            if !effects.is_empty() {
                break;
            }
            assert!(lane.takes_records(), "it must close when it is full");
            seq += 1;
            let record = Ok((id(7, seq), batch.clone()));
            effects = lane.step(Event::Arrived { position: seq, record });
        }
        let (insert, _) = inserted(&mut lane, effects);
        let cells = || insert.batches.iter().flat_map(Batch::cells);
        let bytes: usize = cells().map(|(_, key, _)| INSERT_ROW_BYTES + key.name_bytes()).sum();
        assert!(cells().count() < INSERT_ROWS_MAX, "{shapes:?}");
        assert!(bytes <= INSERT_BYTES_MAX, "{shapes:?}: {bytes} bytes");
    };
    // As a collector closes them by bytes; as short names are; the largest that can be read; and
    // that one on top of what is almost full.
    check(&[(430, 2_048)]);
    check(&[(20_000, 60)]);
    check(&[(20_000, 4_090)]);
    check(&[(11_900, 4_090), (20_000, 4_090)]);
}

proptest! {
    /// Resends, failed inserts that were written, and failed ones that were not.
    #[test]
    fn every_batch_is_written_exactly_once(
        faults in proptest::collection::vec((0u8..5, any::<bool>()), 1..200)
    ) {
        let (mut lane, mut ledger) = (Lane::default(), Standing::default());
        let mut sent = 0;
        let mut written: Vec<Batch> = Vec::new();
        for (kind, lands) in faults {
            let event = match kind {
                0 if lane.takes_records() => {
                    sent += 1;
                    came(sent, 7, sent)
                }
                1 => {
                    lane = Lane::new(ledger.clone());
                    sent = ledger.applied;
                    continue;
                }
                _ => Event::Due,
            };
            let mut effects = lane.step(event);
            // The first time an insert may fail; then the store is well.
            let mut fails = !lands;
            while let Some(effect) = effects.pop() {
                match effect {
                    Effect::Insert { insert, .. } => {
                        prop_assert_eq!(insert.lo, ledger.applied + 1);
                        let answer = if fails { Answer::Unclear } else { Answer::Success };
                        if !fails || kind == 4 {
                            written.extend(insert.batches);
                            ledger.applied = insert.hi;
                            let moved = insert.last_seqs.iter().map(|id| (Stream::of(*id), id.seq));
                            ledger.last_seqs.extend(moved);
                        }
                        fails = false;
                        effects.extend(lane.step(Event::Answered(answer)));
                    }
                    Effect::ReadLedger => {
                        effects.extend(lane.step(Event::ReadBack(ledger.clone())));
                    }
                    Effect::Ack(seq) => prop_assert!(seq <= ledger.applied),
                    other => prop_assert!(false, "{:?}", other),
                }
            }
        }
        let expect: Vec<Batch> = (1..=ledger.applied).map(batch).collect();
        prop_assert_eq!(written, expect);
    }
}
