//! What a subscriber promises: groups, positions, losses.
//!
//! What it is not: the aggregator; nothing is stored.
//!
//! What surprises: positions are given by the test, as the ledger would give them. What Kafka has
//! committed is never asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headcount_transport::kafka::{
    Consumed, Heard, KafkaPublisher, KafkaSubscriber, Loss, Settings, topic,
};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::broker::Kafka;
use crate::outbox::{IN_TIME, Now, Outbox, PATIENCE};
use crate::publishing::block_on;

/// A topic with batches `1..=last` in every partition.
fn filled(kafka: &Kafka, name: &str, partitions: u32, last: u64) -> Settings {
    let settings = kafka.settings(name, partitions);
    topic::ensure(&settings, true).unwrap();
    let mut publisher = KafkaPublisher::new(&settings, Arc::new(Now)).unwrap();
    Outbox::new(partitions, last).run(&mut publisher, Outbox::is_empty);
    settings
}

/// Listens until something other than silence is heard.
fn next(subscriber: &mut KafkaSubscriber) -> Heard {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "heard nothing");
        match subscriber.hear(Duration::from_millis(200)).unwrap() {
            Heard::Nothing => {}
            heard => return heard,
        }
    }
}

fn next_record(subscriber: &mut KafkaSubscriber) -> Consumed {
    match next(subscriber) {
        Heard::Record(consumed) => consumed,
        other => panic!("{other:?}"),
    }
}

/// A subscriber that has been given partition 0.
fn joined(settings: &Settings) -> KafkaSubscriber {
    let mut subscriber = KafkaSubscriber::connect(settings).unwrap();
    assert_eq!(next(&mut subscriber), Heard::Assigned(vec![0]));
    subscriber
}

#[test]
fn reads_from_where_it_is_told_and_only_then() {
    let kafka = Kafka::shared();
    let settings = filled(kafka, "begin", 1, 200);
    let mut subscriber = joined(&settings);
    assert_eq!(subscriber.hear(Duration::from_secs(1)).unwrap(), Heard::Nothing);
    subscriber.begin(0, 120).unwrap();
    for position in 121..=150 {
        let consumed = next_record(&mut subscriber);
        assert_eq!(consumed.position, position);
        assert_eq!(consumed.record.unwrap().0.seq, position);
    }
    // Back: what was fetched beyond 150 must not come before 11.
    subscriber.begin(0, 10).unwrap();
    for position in 11..=60 {
        assert_eq!(next_record(&mut subscriber).position, position);
    }
    // And forward.
    subscriber.begin(0, 190).unwrap();
    for position in 191..=200 {
        assert_eq!(next_record(&mut subscriber).position, position);
    }
    assert_eq!(subscriber.hear(Duration::from_millis(300)).unwrap(), Heard::Nothing);
    // Beginning at the very end is no loss.
    subscriber.begin(0, 200).unwrap();
    assert_eq!(subscriber.hear(Duration::from_secs(1)).unwrap(), Heard::Nothing);
    // Another's partition is not ours to begin.
    subscriber.begin(5, 0).unwrap();
    assert_eq!(subscriber.hear(Duration::from_millis(300)).unwrap(), Heard::Nothing);
}

#[test]
fn a_pause_loses_and_repeats_nothing() {
    let kafka = Kafka::shared();
    let settings = filled(kafka, "pause", 1, 300);
    let mut subscriber = joined(&settings);
    subscriber.begin(0, 0).unwrap();
    for position in 1..=100 {
        assert_eq!(next_record(&mut subscriber).position, position);
        if position % 25 == 0 {
            subscriber.pause(0).unwrap();
            assert_eq!(subscriber.hear(Duration::from_millis(300)).unwrap(), Heard::Nothing);
            subscriber.resume(0).unwrap();
        }
    }
    // A new beginning ends a pause.
    subscriber.pause(0).unwrap();
    subscriber.begin(0, 250).unwrap();
    assert_eq!(next_record(&mut subscriber).position, 251);
}

#[test]
fn two_members_share_and_each_goes_on_from_the_ledger() {
    let kafka = Kafka::shared();
    let settings = filled(kafka, "group", 4, 100);
    let all: BTreeSet<u32> = (0..4).collect();
    let mut first = KafkaSubscriber::connect(&settings).unwrap();
    let Heard::Assigned(given) = next(&mut first) else { panic!("not assigned") };
    assert_eq!(given.iter().copied().collect::<BTreeSet<_>>(), all);
    let mut mine = all.clone();
    for partition in &all {
        first.begin(*partition, 0).unwrap();
    }
    // Each partition reads a little.
    let mut applied = [0u64; 4];
    while applied.iter().any(|position| *position < 10) {
        let consumed = next_record(&mut first);
        applied[usize::try_from(consumed.partition).unwrap()] = consumed.position;
    }
    let mut second = KafkaSubscriber::connect(&settings).unwrap();
    let mut theirs = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    while theirs.len() < 2 || mine.len() > 2 {
        assert!(Instant::now() < deadline, "{mine:?} and {theirs:?}");
        match first.hear(Duration::from_millis(50)).unwrap() {
            Heard::Revoked(partitions) => mine.retain(|p| !partitions.contains(p)),
            Heard::Record(consumed) => {
                assert!(mine.contains(&consumed.partition), "heard of a revoked partition");
                applied[usize::try_from(consumed.partition).unwrap()] = consumed.position;
            }
            Heard::Assigned(partitions) => mine.extend(partitions),
            _ => {}
        }
        if let Heard::Assigned(partitions) = second.hear(Duration::from_millis(50)).unwrap() {
            theirs.extend(partitions);
        }
    }
    assert_eq!(mine.union(&theirs).copied().collect::<BTreeSet<_>>(), all);
    assert!(mine.is_disjoint(&theirs));
    // The second goes on exactly where the ledger says, whatever the first had fetched.
    for partition in &theirs {
        second.begin(*partition, 42).unwrap();
    }
    let mut expected: [u64; 4] = [43; 4];
    for _ in 0..20 {
        let consumed = next_record(&mut second);
        assert!(theirs.contains(&consumed.partition));
        let expect = &mut expected[usize::try_from(consumed.partition).unwrap()];
        assert_eq!(consumed.position, *expect);
        *expect += 1;
    }
    // When one leaves, the other gets everything.
    drop(second);
    while mine.len() < 4 {
        assert!(Instant::now() < deadline, "{mine:?}");
        match first.hear(Duration::from_millis(200)).unwrap() {
            Heard::Assigned(partitions) => mine.extend(partitions),
            Heard::Revoked(partitions) => mine.retain(|p| !partitions.contains(p)),
            _ => {}
        }
    }
}

#[test]
fn records_deleted_before_they_were_read_are_a_loss() {
    let kafka = Kafka::shared();
    let settings = filled(kafka, "deleted", 2, 50);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.topic, 0, Offset::Offset(30)).unwrap();
    block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    let mut subscriber = KafkaSubscriber::connect(&settings).unwrap();
    assert!(matches!(next(&mut subscriber), Heard::Assigned(_)));
    assert_eq!(subscriber.ends(0).unwrap(), (30, 50));
    for applied in [0, 29] {
        subscriber.begin(0, applied).unwrap();
        let why = Loss::Deleted { wanted: applied, first: 30 };
        assert_eq!(next(&mut subscriber), Heard::Broken { partition: 0, why });
    }
    // The other partition is not touched by it, and what is left can be read.
    subscriber.begin(1, 0).unwrap();
    assert_eq!(next_record(&mut subscriber).position, 1);
    subscriber.pause(1).unwrap();
    subscriber.begin(0, 30).unwrap();
    assert_eq!(next_record(&mut subscriber).position, 31);
    // Two losses at once are two.
    list.add_partition_offset(&settings.topic, 1, Offset::Offset(40)).unwrap();
    block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    subscriber.begin(0, 3).unwrap();
    subscriber.begin(1, 4).unwrap();
    let mut broken = BTreeSet::new();
    while broken.len() < 2 {
        match next(&mut subscriber) {
            Heard::Broken { partition, why: Loss::Deleted { wanted, first } } => {
                assert!(broken.insert((partition, wanted, first)), "told twice");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(broken, BTreeSet::from([(0, 3, 30), (1, 4, 40)]));
}

#[test]
fn a_log_that_ends_before_the_ledger_is_a_loss() {
    let kafka = Kafka::shared();
    let settings = filled(kafka, "behind", 1, 5);
    let mut subscriber = joined(&settings);
    subscriber.begin(0, 9).unwrap();
    let why = Loss::Behind { wanted: 9, end: 5 };
    assert_eq!(next(&mut subscriber), Heard::Broken { partition: 0, why });
    assert_eq!(subscriber.hear(Duration::from_secs(1)).unwrap(), Heard::Nothing);
    subscriber.begin(0, 4).unwrap();
    assert_eq!(next_record(&mut subscriber).position, 5);
}

#[test]
fn a_hint_is_seen_by_tools_and_not_by_us() {
    let kafka = Kafka::shared();
    let settings = filled(kafka, "hint", 1, 20);
    let mut subscriber = joined(&settings);
    subscriber.begin(0, 0).unwrap();
    assert_eq!(next_record(&mut subscriber).position, 1);
    subscriber.hint(0, 17);
    let tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("group.id", &settings.group)
        .create()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the hint never arrived");
        let mut list = TopicPartitionList::new();
        list.add_partition(&settings.topic, 0);
        let found = tool.committed_offsets(list, Duration::from_secs(5)).unwrap();
        if found.elements()[0].offset() == Offset::Offset(17) {
            break;
        }
        subscriber.hear(Duration::from_millis(50)).unwrap();
    }
    drop(subscriber);
    let mut subscriber = joined(&settings);
    subscriber.begin(0, 2).unwrap();
    assert_eq!(next_record(&mut subscriber).position, 3);
}

#[test]
fn a_broker_that_restarts_is_waited_for() {
    let mut kafka = Kafka::start();
    let settings = filled(&kafka, "restart", 1, 10);
    let mut subscriber = joined(&settings);
    subscriber.begin(0, 0).unwrap();
    for position in 1..=10 {
        assert_eq!(next_record(&mut subscriber).position, position);
    }
    kafka.stop();
    assert_eq!(subscriber.hear(Duration::from_secs(2)).unwrap(), Heard::Nothing);
    kafka.start_again();
    let mut publisher = KafkaPublisher::new(&settings, Arc::new(Now)).unwrap();
    Outbox::new(1, 1).run(&mut publisher, Outbox::is_empty);
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "nothing after the restart");
        match subscriber.hear(Duration::from_millis(200)).unwrap() {
            Heard::Record(consumed) => {
                assert_eq!(consumed.position, 11);
                break;
            }
            // The group may have forgotten us meanwhile; then the ledger is asked again.
            Heard::Assigned(_) => subscriber.begin(0, 10).unwrap(),
            _ => {}
        }
    }
    kafka.kill();
    let ending = Instant::now();
    drop(subscriber);
    assert!(ending.elapsed() < IN_TIME, "ending took {:?}", ending.elapsed());
}
