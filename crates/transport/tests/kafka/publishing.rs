//! What a publisher promises, with brokers that die.
//!
//! What it is not: a measurement.
//!
//! What surprises: after a crash of either side the log may hold batches twice. It never leaves one
//! out, and never has a batch before the one that precedes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use headcount_core::time::Clock;
use headcount_transport::kafka::{KafkaPublisher, KafkaSubscriber, topic};
use headcount_transport::{News, Offered, Publisher, Record};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::broker::Kafka;
use crate::outbox::{IN_TIME, Now, Outbox, PATIENCE, read_all, record, repeats};

fn publisher(settings: &headcount_transport::kafka::Settings) -> KafkaPublisher {
    KafkaPublisher::new(settings, Arc::new(Now)).unwrap()
}

#[test]
fn four_partitions_each_in_order() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("in-order", 4);
    topic::ensure(&settings, true).unwrap();
    let mut outbox = Outbox::new(4, 500);
    outbox.run(&mut publisher(&settings), Outbox::is_empty);
    assert_eq!(outbox.restarts, 0);
    let mut subscriber = KafkaSubscriber::connect(&settings).unwrap();
    let log = read_all(&mut subscriber, 4, 500);
    for seqs in log.values() {
        assert_eq!(*seqs, (1..=500).collect::<Vec<_>>());
    }
    for partition in 0..4 {
        assert_eq!(subscriber.ends(partition).unwrap(), (0, 500));
    }
}

#[test]
fn a_record_says_no_more_than_its_batch_and_the_hour() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("no-more", 1);
    topic::ensure(&settings, true).unwrap();
    let before = Now.hour();
    Outbox::new(1, 1).run(&mut publisher(&settings), Outbox::is_empty);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.brokers())
        .set("group.id", &settings.group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let message = loop {
        assert!(Instant::now() < deadline);
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            break message.unwrap();
        }
    };
    assert_eq!(message.key(), None);
    assert!(message.headers().is_none());
    assert_eq!(message.payload().unwrap(), record(0, 1).to_value());
    let milliseconds = u64::try_from(message.timestamp().to_millis().unwrap()).unwrap();
    let hours = [before, Now.hour()].map(|hour| hour.unix_seconds() * 1_000);
    assert!(hours.contains(&milliseconds), "{milliseconds} is not the start of the hour");
}

#[test]
fn nothing_acknowledged_is_lost_when_the_broker_is_killed() {
    let mut kafka = Kafka::start();
    let settings = kafka.settings("killed-broker", 4);
    topic::ensure(&settings, true).unwrap();
    let mut publisher = publisher(&settings);
    let last = 3_000;
    let mut outbox = Outbox::new(4, last);
    for share in [1, 2] {
        outbox.run(&mut publisher, |o| o.acked_total() > share * 4 * last / 4);
        kafka.kill();
        for _ in 0..100 {
            outbox.round(&mut publisher);
        }
        assert!(!outbox.is_empty(), "the broker died too late to prove anything");
        kafka.start_again();
    }
    outbox.run(&mut publisher, Outbox::is_empty);
    let mut subscriber = KafkaSubscriber::connect(&settings).unwrap();
    let log = read_all(&mut subscriber, 4, last);
    log.values().for_each(|seqs| {
        repeats(seqs);
    });
}

#[test]
fn a_publisher_that_is_killed_leaves_only_repeats() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("killed-publisher", 2);
    topic::ensure(&settings, true).unwrap();
    let last = 400;
    let mut outbox = Outbox::new(2, last);
    let mut lives = 0;
    while !outbox.is_empty() {
        let mut publisher = publisher(&settings);
        lives += 1;
        let goal = (outbox.acked_total() + 150).min(2 * last);
        outbox.run(&mut publisher, |o| o.acked_total() >= goal);
        // Gone with records under way that nobody has heard of.
        outbox.rewind();
    }
    assert!(lives > 2);
    let mut subscriber = KafkaSubscriber::connect(&settings).unwrap();
    let log = read_all(&mut subscriber, 2, last);
    log.values().for_each(|seqs| {
        repeats(seqs);
    });
}

#[test]
fn a_record_that_the_broker_refuses_leaves_no_gap() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("refused", 1);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let new = NewTopic::new(&settings.topic, 1, TopicReplication::Fixed(1))
        .set("max.message.bytes", "2000");
    let made = block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    made[0].as_ref().unwrap();
    // Bytes that do not become smaller by compression.
    let mut noise = 1u32;
    let large = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    });
    let large = Record { payload: large.take(50_000).collect(), ..record(0, 11) };
    let mut publisher = publisher(&settings);
    Outbox::new(1, 10).run(&mut publisher, Outbox::is_empty);
    // Slowly enough that each is a request of its own, and nothing is heard in between.
    for seq in 11..=20 {
        let record = if seq == 11 { large.clone() } else { record(0, seq) };
        drop(publisher.offer(record));
        std::thread::sleep(Duration::from_millis(50));
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "never restarted");
        match publisher.news() {
            Some(News::Acked { id, .. }) => panic!("{id:?} was acknowledged"),
            Some(News::Restarted) => break,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    // Nothing after the refused one was written, and what is offered again is.
    let deadline = Instant::now() + PATIENCE;
    while publisher.offer(record(0, 11)) != Offered::Sent {
        assert!(Instant::now() < deadline, "not taken again");
        std::thread::sleep(Duration::from_millis(10));
    }
    while publisher.news() != Some(News::Acked { partition: 0, id: record(0, 11).id }) {
        assert!(Instant::now() < deadline, "not acknowledged");
    }
    let mut subscriber = KafkaSubscriber::connect(&settings).unwrap();
    let log = read_all(&mut subscriber, 1, 11);
    assert_eq!(log[&0], (1..=11).collect::<Vec<_>>());
    assert_eq!(subscriber.ends(0).unwrap(), (0, 11));
}

#[test]
fn without_a_broker_it_takes_a_window_and_ends_in_time() {
    let kafka = Kafka::shared();
    let mut settings = kafka.settings("nowhere", 1);
    settings.brokers = "127.0.0.1:9".to_owned();
    let begun = Instant::now();
    let mut publisher = publisher(&settings);
    let mut taken = 0;
    loop {
        match publisher.offer(record(0, taken + 1)) {
            Offered::Sent => taken += 1,
            Offered::Full(back) => {
                assert_eq!(back, record(0, taken + 1));
                break;
            }
            Offered::Closed => panic!("a kafka publisher never closes"),
        }
    }
    assert_eq!(taken, 64);
    for _ in 0..50 {
        assert_eq!(publisher.news(), None);
    }
    assert!(begun.elapsed() < IN_TIME, "offering waited: {:?}", begun.elapsed());
    let ending = Instant::now();
    drop(publisher);
    assert!(ending.elapsed() < IN_TIME, "ending took {:?}", ending.elapsed());
}

/// Waits for a future without a runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
