//! Topics, logins, brokers that are not there; `cat`.
//!
//! What it is not: a check of Kafka. It checks that what is wrong is said in one line, in time.
//!
//! What surprises: a wrong password and a missing broker look alike to the caller that waits; the
//! reason comes beside it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headcount_core::batch::{Batch, BatchId};
use headcount_core::cell::{CellKey, Counts};
use headcount_core::time::{Clock, ManualClock};
use headcount_transport::kafka::{
    KafkaError, KafkaPublisher, KafkaSubscriber, Login, Mechanism, Secret, Security, Settings, cat,
    topic,
};
use headcount_transport::{News, Offered, Publisher, Record};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::broker::{Kafka, PASSWORD, USER};
use crate::outbox::{IN_TIME, Now, Outbox, PATIENCE, complaint};
use crate::publishing::block_on;

fn one_line(error: &KafkaError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn a_topic_is_made_once_and_found_fit() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("made", 3);
    let error = topic::ensure(&settings, false).unwrap_err();
    assert!(matches!(error, KafkaError::MissingTopic(_)), "{error}");
    assert!(one_line(&error).contains("made"));
    topic::ensure(&settings, true).unwrap();
    topic::ensure(&settings, true).unwrap();
    topic::ensure(&settings, false).unwrap();
}

#[test]
fn a_topic_that_does_not_fit_gets_a_line_for_each_reason() {
    let kafka = Kafka::shared();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let settings = kafka.settings("unfit", 4);
    let new = NewTopic::new(&settings.topic, 2, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("message.timestamp.type", "LogAppendTime")
        .set("max.message.bytes", "1000")
        .set("retention.ms", "3600000");
    block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    let KafkaError::Topic(lines) = topic::ensure(&settings, true).unwrap_err() else {
        panic!("another error");
    };
    let expect = [
        "2 partitions, expected 4",
        "cleanup.policy = \"compact\"",
        "message.timestamp.type = \"LogAppendTime\"",
        "max.message.bytes = \"1000\"",
        "retention.ms = \"3600000\"",
    ];
    assert_eq!(lines.len(), expect.len(), "{lines:#?}");
    for (line, expect) in lines.iter().zip(expect) {
        assert!(line.contains(expect) && line.contains(&settings.topic), "{line}");
    }
}

#[test]
fn a_topic_says_how_long_it_keeps_records() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("life", 1);
    let error = topic::life(&settings, PATIENCE).unwrap_err();
    assert!(matches!(error, KafkaError::MissingTopic(_)), "{error}");
    topic::ensure(&settings, true).unwrap();
    let life = topic::life(&settings, PATIENCE).unwrap();
    assert_eq!((life.days_max(), life.excess()), (Some(topic::LIFE_DAYS_MAX), None));
    assert!(!life.takes_the_future(), "Kafka 4 takes an hour");

    let settings = kafka.settings("forever", 1);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create().unwrap();
    let new = NewTopic::new(&settings.topic, 1, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("message.timestamp.after.max.ms", "9223372036854775807");
    block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    topic::ensure(&settings, false).unwrap();
    let life = topic::life(&settings, PATIENCE).unwrap();
    assert_eq!(life.days_max(), None);
    assert!(life.excess().is_some() && life.takes_the_future());
}

#[test]
fn a_broker_that_is_not_there_is_said_in_time() {
    let kafka = Kafka::shared();
    let mut settings = kafka.settings("nowhere", 1);
    settings.brokers = "127.0.0.1:9".to_owned();
    let begun = Instant::now();
    let error = topic::ensure(&settings, true).unwrap_err();
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    let line = one_line(&error);
    assert!(line.contains("127.0.0.1:9") && line.contains("refused"), "{line}");
    assert!(error.is_retryable());
    // A member of a group that cannot be reached ends in time as well.
    let mut subscriber = KafkaSubscriber::connect(&settings).unwrap();
    subscriber.hear(Duration::from_millis(500)).unwrap();
    let ending = Instant::now();
    drop(subscriber);
    assert!(ending.elapsed() < IN_TIME, "ending took {:?}", ending.elapsed());
}

#[test]
fn tls_to_a_listener_without_it_is_said_in_time() {
    let kafka = Kafka::shared();
    let mut settings = kafka.settings("nowhere", 1);
    settings.security = Security::Tls { ca_file: None };
    let begun = Instant::now();
    let error = topic::reachable(&settings, Duration::from_secs(10)).unwrap_err();
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    let line = one_line(&error);
    assert!(matches!(error, KafkaError::Tls(_) | KafkaError::Unreachable { .. }), "{line}");
}

fn with_login(kafka: &Kafka, mechanism: Mechanism, password: &str) -> Settings {
    let mut settings = kafka.settings("login", 1);
    settings.brokers = kafka.doors().login.clone();
    settings.login = Some(Login {
        mechanism,
        username: USER.to_owned(),
        password: Secret::new(password.to_owned()),
    });
    settings
}

#[test]
fn every_login_works_and_a_wrong_password_is_said() {
    let kafka = Kafka::guarded();
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        let settings = with_login(kafka, mechanism, PASSWORD);
        topic::ensure(&settings, true).unwrap();
        let mut publisher = KafkaPublisher::new(&settings, Arc::new(Now)).unwrap();
        Outbox::new(1, 3).run(&mut publisher, Outbox::is_empty);

        let wrong = with_login(kafka, mechanism, "wrong-password");
        let begun = Instant::now();
        let error = topic::ensure(&wrong, true).unwrap_err();
        assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
        let line = one_line(&error);
        assert!(matches!(error, KafkaError::Login(_)), "{line}");
        assert!(!line.contains("wrong-password"), "{line}");
        assert!(!error.is_retryable());

        let mut subscriber = KafkaSubscriber::connect(&wrong).unwrap();
        let error = complaint(&mut subscriber);
        assert!(matches!(error, KafkaError::Login(_)), "{error}");
    }
}

#[test]
fn a_certificate_is_checked_against_authority_and_name() {
    let kafka = Kafka::guarded();
    let ca_file = Some(kafka.doors().ca_file.clone());
    let mut settings = with_login(kafka, Mechanism::ScramSha512, PASSWORD);
    settings.brokers = kafka.doors().login_in_tls.clone();
    settings.security = Security::Tls { ca_file };
    topic::ensure(&settings, true).unwrap();
    let mut publisher = KafkaPublisher::new(&settings, Arc::new(Now)).unwrap();
    Outbox::new(1, 3).run(&mut publisher, Outbox::is_empty);

    settings.login = None;
    settings.brokers = kafka.doors().tls.clone();
    topic::ensure(&settings, false).unwrap();

    // Nobody whom the system trusts has signed it.
    let unknown = Settings { security: Security::Tls { ca_file: None }, ..settings.clone() };
    // Trusted, but for another name.
    let brokers = settings.brokers.replace("127.0.0.1", "localhost");
    let misnamed = Settings { brokers, ..settings };
    for wrong in [unknown, misnamed] {
        let error = topic::reachable(&wrong, Duration::from_secs(10)).unwrap_err();
        let line = one_line(&error);
        assert!(matches!(error, KafkaError::Tls(_)), "{line}");
        assert!(line.contains("ca_file"), "{line}");
    }
}

#[test]
fn a_subscriber_of_a_missing_topic_says_so() {
    let kafka = Kafka::shared();
    let mut subscriber = KafkaSubscriber::connect(&kafka.settings("missing", 1)).unwrap();
    let error = complaint(&mut subscriber);
    assert!(matches!(error, KafkaError::MissingTopic(_)), "{error}");
}

#[test]
fn a_topic_is_shown_line_by_line() {
    let kafka = Kafka::shared();
    let settings = kafka.settings("shown", 2);
    topic::ensure(&settings, true).unwrap();
    let hour = Now.hour();
    let page = CellKey::Page { hour, page: "/a\u{7}b" };
    let one = Counts { views: 2, visits: 1, ..Counts::ZERO };
    let payload = Batch::new([("a.example", page, one)]).unwrap().encode();
    // The hour may end meanwhile.
    let clock = ManualClock::at(hour.unix_seconds());
    let mut publisher = KafkaPublisher::new(&settings, Arc::new(clock)).unwrap();
    for (partition, seq) in [(0, 1), (0, 2), (1, 1)] {
        let id = BatchId { collector: 5, epoch: 6, seq };
        let record = Record { id, partition, payload: payload.clone() };
        assert_eq!(publisher.offer(record), Offered::Sent);
    }
    let mut acked = 0;
    let deadline = Instant::now() + PATIENCE;
    while acked < 3 {
        assert!(Instant::now() < deadline);
        acked += usize::from(matches!(publisher.news(), Some(News::Acked { .. })));
    }
    let mut lines = Vec::new();
    cat(&settings, |line| {
        lines.push(line.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    let cell = format!("  a.example {hour} page /a\\u{{7}}b views=2 visits=1");
    let expect = [
        format!("0 0 {hour} 5/6/1"),
        cell.clone(),
        format!("0 1 {hour} 5/6/2"),
        cell.clone(),
        format!("1 0 {hour} 5/6/1"),
        cell,
    ];
    assert_eq!(lines, expect);
    let mut taken = 0;
    cat(&settings, |_| {
        taken += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(taken, 1);
}
