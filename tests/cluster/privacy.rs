//! What must not be there, over the whole cluster: the broker's log, the engine's parts, every
//! process's words, and what one record after another gives away.
//!
//! What it is not: other requests than one process is asked in `crate::privacy`; they are the same.
//!
//! What surprises: Kafka and ClickHouse compress, so their files are searched, and besides them
//! what they say when they are read. A build that keeps everything shows that both are needed.

mod rejoin;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use headcount_transport::kafka::{Heard, KafkaSubscriber};

use super::{Cluster, PARTITIONS, Servers, shared};
use crate::dice::Dice;
use crate::pipeline::PROXY;
use crate::privacy::search::{Found, Search, TEXTS, note, note_files};
use crate::privacy::{SETTLING, ask, base, tell_all, variant, without_sanitiser};
use crate::server::{Deployment as _, PATIENCE, SITE};

/// Pairs of requests of the comparison.
const PAIRS: usize = 30;
/// Everything in the store that can be read.
const TABLES: [&str; 10] = [
    "counts",
    "facts",
    "erased_sites",
    "site_counts",
    "page_counts",
    "click_counts",
    "attribute_counts",
    "refusal_counts",
    "ledger",
    "books",
];
/// The views without their times.
const VIEWS: [&str; 5] = [
    "SELECT site, sum(views), sum(visitors), sum(visits), sum(clicks) FROM site_counts GROUP BY 1",
    "SELECT site, page, sum(views), sum(visitors), sum(visits) FROM page_counts GROUP BY 1, 2",
    "SELECT site, page, target, sum(clicks) FROM click_counts GROUP BY 1, 2, 3",
    "SELECT site, attribute, value, sum(views), sum(visitors), sum(visits) \
     FROM attribute_counts GROUP BY 1, 2, 3",
    "SELECT site, reason, sum(refused) FROM refusal_counts GROUP BY 1, 2",
];

/// Changes the configuration before anything runs.
pub(super) fn rewrite(cluster: &Cluster, from: &str, to: &str) {
    let text = std::fs::read_to_string(cluster.config()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(cluster.config(), text.replace(from, to)).unwrap();
}

/// A view by somebody new: with it a crowd of one is there, and every attribute held leaves.
fn release(cluster: &Cluster) {
    let headers = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 \
        Firefox/144.0\r\nX-Forwarded-For: 192.0.2.7\r\n";
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/\"}}");
    assert_eq!(cluster.send("POST /hit", headers, &body).unwrap().status, 204);
}

/// Waits until the store holds what the collector has accepted, attributes too.
fn settle(cluster: &Cluster) {
    let accepted = cluster.collectors[0].metric("headcount_hits_accepted_total");
    let refused = cluster.collectors[0].metric("headcount_hits_refused_total");
    cluster.wait_for("SELECT sum(views + clicks) FROM site_counts", accepted);
    cluster.wait_for("SELECT sum(refused) FROM refusal_counts", refused);
    let views = cluster.number("SELECT sum(views) FROM site_counts");
    let sql = "SELECT sum(views) FROM attribute_counts WHERE attribute = 'device'";
    cluster.wait_for(sql, views);
}

fn stop(cluster: &mut Cluster) {
    for part in cluster.collectors.drain(..).chain(cluster.aggregators.drain(..)) {
        assert_eq!(part.stop(), Some(0));
    }
}

/// The batches of every record of the topic, unpacked.
fn batches(cluster: &Cluster, servers: &Servers) -> Vec<Vec<u8>> {
    let mut settings = servers.kafka.settings(&cluster.database, PARTITIONS);
    settings.group += "-search";
    let mut reader = KafkaSubscriber::connect(&settings).unwrap();
    let mut left: BTreeMap<u32, u64> =
        (0..PARTITIONS).map(|partition| (partition, reader.ends(partition).unwrap().1)).collect();
    left.retain(|_, end| *end > 0);
    let mut batches = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while !left.is_empty() {
        assert!(Instant::now() < deadline, "not read: {left:?}");
        match reader.hear(Duration::from_millis(200)).unwrap() {
            Heard::Assigned(partitions) => {
                partitions.into_iter().for_each(|partition| reader.begin(partition, 0).unwrap());
            }
            Heard::Record(consumed) => {
                batches.push(consumed.record.unwrap().1);
                left.retain(|at, end| *at != consumed.partition || *end > consumed.position);
            }
            Heard::Nothing => {}
            other => panic!("{other:?}"),
        }
    }
    batches
}

/// Every marker that is anywhere in a cluster whose collector is this build.
fn audit(collector: &Path) -> Found {
    let mut servers = Servers::start();
    let mut cluster = Cluster::new(&servers, "crowd = 1\nk = 1\n");
    rewrite(&cluster, "127.0.0.0/8", "127.0.0.1/32");
    collector.clone_into(&mut cluster.edge);
    cluster.run(1, 1);
    let serve = cluster.server().unwrap();
    let (search, mut found) = (Search::new(), Found::new());
    let countable = tell_all(&cluster.collectors[0].address);
    note_files(&mut found, &search, cluster.folder());
    // The counters rose by what was countable: silence is not for want of hearing.
    let accepted = cluster.collectors[0].metric("headcount_hits_accepted_total");
    assert_eq!(accepted, i64::try_from(countable).unwrap());
    release(&cluster);
    settle(&cluster);
    std::thread::sleep(SETTLING);
    cluster.assert_balanced();
    for part in cluster.collectors.iter().chain(&cluster.aggregators).chain([&serve]) {
        for path in ["/metrics", "/healthz", "/readyz", "/kanarie"] {
            let reply = part.ask_ops(path);
            note(&mut found, &search, "operations", (reply.head + &reply.body).as_bytes());
        }
    }
    for table in TABLES {
        let rows = cluster.text(&format!("SELECT * FROM {table} FORMAT TSV")).unwrap();
        note(&mut found, &search, &format!("rows of {table}"), rows.as_bytes());
    }
    note(&mut found, &search, "cat", cluster.cat().as_bytes());
    let batches = batches(&cluster, &servers);
    assert!(!batches.is_empty());
    batches.iter().for_each(|batch| note(&mut found, &search, "records", batch));
    for folder in servers.folders().into_iter().chain([cluster.folder()]) {
        note_files(&mut found, &search, folder);
    }
    stop(&mut cluster);
    assert_eq!(serve.stop(), Some(0));
    servers.stop();
    let mut files = Vec::new();
    for folder in servers.folders().into_iter().chain([cluster.folder()]) {
        note_files(&mut found, &search, folder);
        list(folder, &mut files);
    }
    // What was meant to be searched was there.
    for artefact in ["edge.db", "mark", "000.log", "data.bin", "broker.log", "front.log", ".out"] {
        let is_there = |path: &PathBuf| path.to_str().unwrap().ends_with(artefact);
        assert!(files.iter().any(is_there), "{artefact}: {files:?}");
    }
    found
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

#[test]
fn no_marker_is_found_anywhere_in_a_cluster() {
    let found = audit(Path::new(env!("CARGO_BIN_EXE_headcount")));
    assert_eq!(found, Found::new());
}

#[test]
fn a_collector_without_the_sanitiser_is_caught_in_kafka_and_clickhouse() {
    let found = audit(&without_sanitiser());
    for marker in TEXTS {
        let places = found.get(marker).cloned().unwrap_or_default();
        for place in ["records", "cat", "rows of counts"] {
            assert!(places.contains(place), "{marker} is not in {place}: {places:?}");
        }
    }
}

/// The cells of the topic without their times, added up over records: how hits fall into releases
/// is a matter of the moment.
fn cells(cat: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut cells: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for line in cat.lines().filter_map(|line| line.strip_prefix("  ")) {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.remove(1);
        let mut numbers = Vec::new();
        while let Some((name, number)) = words.last().and_then(|word| word.split_once('=')) {
            numbers.push((name.to_owned(), number.parse::<u64>().unwrap()));
            words.pop();
        }
        let cell = cells.entry(words.join(" ")).or_default();
        numbers.into_iter().for_each(|(name, number)| *cell.entry(name).or_default() += number);
    }
    cells
}

fn views(cluster: &Cluster) -> Vec<Vec<String>> {
    let sorted = |sql: &&str| {
        let text = cluster.text(&format!("{sql} FORMAT TSV")).unwrap();
        let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
        rows.sort();
        rows
    };
    VIEWS.iter().map(sorted).collect()
}

#[test]
fn what_is_not_read_changes_neither_records_nor_views() {
    let mut clusters = [(); 2].map(|()| {
        let mut cluster = Cluster::new(shared(), "crowd = 1\n");
        rewrite(&cluster, PROXY, "");
        cluster.run(1, 1);
        cluster
    });
    let (mut dice, mut other) = (Dice(20_261_121), Dice(4_711));
    let mut statuses = BTreeSet::new();
    let [a, b] = clusters.each_ref().map(|cluster| cluster.collectors[0].address.clone());
    for at in 0..PAIRS {
        let plain = base(&mut dice);
        let (changed, host) = variant(&plain, &mut other);
        let answer = ask(&a, &plain, SITE);
        assert_eq!(ask(&b, &changed, &host), answer, "request {at}: {}", plain.line);
        statuses.insert(answer.0);
    }
    assert!([200, 204, 400].iter().all(|status| statuses.contains(status)), "{statuses:?}");
    clusters.iter().for_each(release);
    clusters.iter().for_each(settle);
    clusters.iter_mut().for_each(stop);
    let [of_a, of_b] = clusters.each_ref().map(|cluster| (cells(&cluster.cat()), views(cluster)));
    assert!(of_a.0.len() > 20, "{of_a:?}");
    assert!(of_a.1.iter().all(|rows| !rows.is_empty()), "{of_a:?}");
    assert_eq!(of_a, of_b);
}
