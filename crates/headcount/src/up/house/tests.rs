//! The house while one of its rooms waits.

use std::io::{Read as _, Write as _};
use std::sync::mpsc::channel;
use std::time::Instant;

use headcount_collector::EpochRule;
use headcount_core::time::Day;
use headcount_store::control;
use headcount_transport::local::{self, Heard, LocalSubscriber};
use prometheus_client::registry::Registry;

use super::*;
use crate::config::Flags;
use crate::edge::{self, WayOut};
use crate::listen;
use crate::wall_clock::WallClock;

const HOST: &str = "example.org";
/// How long an answer may take that waits for nobody, on a slow machine: less than whoever waits for an
/// erasure is patient.
const AT_ONCE: Duration = Duration::from_secs(45);

/// A house whose batches are taken by the subscriber, and acknowledged when the test says so.
fn house(folder: &std::path::Path) -> (Arc<House>, LocalSubscriber) {
    let flags = Flags {
        data: Some(folder.to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        sites: vec![HOST.to_owned()],
        ..Flags::default()
    };
    let config = Config { cores: 1, ..Config::load(&flags, []).unwrap() };
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let (publisher, subscriber) = local::pair(16);
    let way_out =
        WayOut { publisher: Box::new(publisher), partitions: 1, rule: EpochRule::EveryStart };
    let collector = edge::open(&config, way_out, (&clock, &metrics)).unwrap();
    let control = Control::open(&folder.join(control::FILE_NAME)).unwrap();
    let rooms = Rooms { collector, aggregator: None };
    let house = House::new(&config, rooms, control, (metrics, clock)).unwrap();
    house.renew_sites(true).unwrap();
    let (listeners, address) = listen::shared("listen", config.listen, 1).unwrap();
    let fallback: Fallback = Arc::new(|_| super::super::welcome::nothing_here());
    house.listen(listeners, &fallback).unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /p.gif?s={HOST}&p=/a HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 Firefox/140.0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    (Arc::new(house), subscriber)
}

#[test]
fn tokens_end_whether_or_not_sites_can_be_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let (house, _subscriber) = house(dir.path());
    let mut control = Control::open(&dir.path().join(control::FILE_NAME)).unwrap();
    let site = SiteHost::parse("new.example").unwrap();
    control.site_add(&site, Day(0)).unwrap();
    let new = control::NewToken {
        site: Some(site),
        kind: control::Kind::Api,
        role: control::Role::Viewer,
        label: String::new(),
        expires_at: Some(1),
    };
    control.token_add(&new, 0).unwrap();
    let list = dir.path().join("sites.txt");
    std::fs::remove_file(&list).unwrap();
    std::fs::create_dir(&list).unwrap();
    house.sites().looked_after = Day(0);
    house.keep();
    assert_eq!(house.hosts().len(), 1, "the list cannot be written");
    let acts: Vec<String> =
        control.log_entries().unwrap().into_iter().map(|entry| entry.what).collect();
    assert_eq!(acts, ["site-add", "token-add", "token-expire"]);
}

/// Does it on a thread of its own, and fails if that does not end at once.
fn at_once<T: Send + 'static>(does: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, heard) = channel();
    let thread = std::thread::spawn(move || told.send(does()).is_ok());
    let value = heard.recv_timeout(AT_ONCE).expect("it stands still");
    assert!(thread.join().unwrap());
    value
}

#[test]
fn operations_answer_while_an_erasure_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (house, subscriber) = house(folder.path());
    let Heard::Record(mut last) = subscriber.hear(AT_ONCE) else { panic!("no batch") };
    let mut control = Control::open(&folder.path().join(control::FILE_NAME)).unwrap();
    control.erasure_request(&SiteHost::parse(HOST).unwrap(), Day(1)).unwrap();
    for _ in 0..3 {
        let keeps = Arc::clone(&house);
        at_once(move || keeps.keep());
        let asked = Arc::clone(&house);
        let (missing, alive) = at_once(move || {
            asked.refresh();
            (asked.missing(), asked.is_alive())
        });
        assert_eq!((missing, alive), (None, true));
    }
    assert_eq!(control.erasures_open().unwrap().len(), 1, "nobody has taken the batches");
    let deadline = Instant::now() + AT_ONCE;
    while !control.erasures_open().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "not erased");
        while let Heard::Record(record) = subscriber.hear(Duration::from_millis(10)) {
            last = record;
        }
        subscriber.ack(last.id);
        house.keep();
    }
    house.stop().unwrap();
    assert_eq!(house.missing().as_deref(), Some("stopping"));
}
