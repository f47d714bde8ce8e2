//! A site is erased from a cluster that goes on counting: soon nothing of it can be read (the seconds are
//! printed), no byte of its pages is left after merges, nothing of it comes back, and nothing else is lost.
//!
//! What it is not: able to reach into Kafka's log. What has travelled stays there until its segment
//! is deleted; the test says so by finding it.
//!
//! What surprises: ClickHouse packs names so that a search finds nothing even while they are there.
//! The columns of names are switched to plain bytes before anything is counted, and the search must
//! find them before the erasure.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::secret::Secret;
use headcount_store::Insert;
use headcount_store::clickhouse::{Settings, Writer};

use super::crash::{Ending, HIT_INTERVAL, Load, SETTINGS};
use super::{Cluster, Servers, shared};
use crate::crash::sender;
use crate::erasure::{GONE, MARKER, WITHIN, hostile};
use crate::pipeline::VIEWS;
use crate::privacy::search::holds;
use crate::server::{Deployment as _, SITE};
use crate::until::until;

/// How long both sites are counted before one goes, and the other one afterwards.
const LOAD: Duration = Duration::from_secs(4);
/// What a server may do in its own time is done at once, and names are plain bytes.
const PLAIN: [&str; 2] = [
    "ALTER TABLE counts MODIFY COLUMN name String CODEC(NONE), \
     MODIFY COLUMN target String CODEC(NONE)",
    "ALTER TABLE counts MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, \
     cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 2",
];
/// Everything in the store that has a column of the site, and what it holds of the one that goes.
const TABLES: [&str; 2] = ["counts", "cells"];
/// What the API answers where nothing is.
const NOTHING: [&str; 2] = ["", "{\"dimensions\":[],\"metrics\":[0]}"];

impl Cluster {
    /// What a command on this cluster prints.
    fn command(&self, data: &str, args: &[&str]) -> String {
        let (config, data) = (self.config(), self.data(data));
        let mut command = Command::new(env!("CARGO_BIN_EXE_headcount"));
        let out = command.args(args).args(["--config", &config, "--data", &data]).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Rows of the site that goes, over everything that can be read.
    fn rows_of_gone(&self) -> i64 {
        self.rows_in(&TABLES) + self.rows_in(&VIEWS)
    }

    fn rows_in(&self, tables: &[&str]) -> i64 {
        let counts = tables.iter().map(|table| {
            self.number(&format!("SELECT count(*) FROM {table} WHERE site = '{GONE}'"))
        });
        counts.sum()
    }
}

/// The answer of the API to who may read the site: its pages, and the site as a whole.
fn shown(serve: &crate::part::Part, credential: &str, site: &str) -> [String; 2] {
    ["\"dimensions\":[\"event:page\"],", ""].map(|by| {
        let question = format!(
            "{{\"site_id\":\"{site}\",\"metrics\":[\"pageviews\"],{by}\"date_range\":\"7d\"}}"
        );
        let reply = serve.send("POST /api/v2/query", credential, &question).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        let body = reply.body.replace([' ', '\n'], "");
        let results = body.split_once("\"results\":[").unwrap().1;
        results.strip_suffix("]}").unwrap().to_owned()
    })
}

/// Signed in by the link that `serve` printed, who sees every site, erased or not.
fn session(serve: &crate::part::Part) -> String {
    let code = serve.dashboard.split_once("/signin").unwrap().1;
    let reply = serve.send(&format!("GET /signin{code}"), "", "").unwrap();
    let cookie = reply.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n")
}

#[test]
fn a_site_goes_under_load_without_a_trace_and_the_other_stays_exact() {
    let servers = Servers::start();
    let settings = format!("{SETTINGS}[[sites]]\nhost = \"{GONE}\"\n");
    let mut cluster = Cluster::new(&servers, &settings);
    cluster.run(1, 1);
    assert!(until(WITHIN, || cluster.number("SELECT count(*) FROM counts") >= 0));
    PLAIN.iter().for_each(|sql| assert!(cluster.text(sql).is_some(), "{sql}"));
    let serve = cluster.server().unwrap();
    let [of_gone, of_site] = [GONE, SITE].map(|site| {
        let token = cluster.command("serve", &["token", "add", "--site", site]);
        format!("Authorization: Bearer {}\r\n", token.trim())
    });
    let of_all = session(&serve);
    let is_revoked = || {
        let reply = serve.send("GET /api/v2/openapi.json", &of_gone, "").unwrap();
        reply.status == 401
    };
    let over = AtomicBool::new(false);
    let address = cluster.collectors[0].address.clone();
    let load = Load::new(&cluster);
    let mut seconds = 0.0;
    let sent = load.during(2, HIT_INTERVAL, || {
        std::thread::scope(|scope| {
            let _ending = Ending(&over);
            let gone = scope.spawn(|| sender(&address, (GONE, &hostile(0)), &over));
            let long = scope.spawn(|| sender(&address, (GONE, &hostile(39)), &over));
            std::thread::sleep(LOAD);
            assert!(until(WITHIN, || cluster.rows_of_gone() > 100));
            assert!(until(WITHIN, || holds(servers.folders()[1], MARKER)), "plain bytes");
            assert!(holds(&cluster.folder().join("collect-0"), MARKER));
            assert!(shown(&serve, &of_gone, GONE)[0].contains(MARKER));
            let began = Instant::now();
            cluster.command("collect-0", &["site", "erase", GONE]);
            assert_eq!(shown(&serve, &of_all, GONE), NOTHING);
            assert!(until(WITHIN, is_revoked), "erased on another folder");
            assert!(until(WITHIN, || cluster.rows_of_gone() == 0));
            seconds = began.elapsed().as_secs_f64();
            // Whoever still tells of it is not heard.
            std::thread::sleep(LOAD);
            assert_eq!(cluster.rows_in(&VIEWS), 0);
            assert_eq!(shown(&serve, &of_all, GONE), NOTHING);
            // An insert that was under way when it was asked is taken out again.
            assert!(until(WITHIN, || cluster.rows_of_gone() == 0), "{}", cluster.rows_of_gone());
            over.store(true, Ordering::Relaxed);
            let gone = [gone, long].map(|sender| sender.join().unwrap().pages);
            assert!(gone.iter().flatten().any(|(_, answered)| !answered), "it is counted no more");
        });
    });
    cluster.settle(&sent, &format!("a site erased under load in {seconds:.1} s"));
    assert!(shown(&serve, &of_site, SITE)[0].contains("/s"));
    // After merges no byte is left, neither here nor at the edge. Kafka's log keeps what travelled.
    cluster.text("OPTIMIZE TABLE counts FINAL").unwrap();
    assert!(until(WITHIN, || !holds(servers.folders()[1], MARKER)), "bytes in clickhouse");
    assert!(until(WITHIN, || !holds(&cluster.folder().join("collect-0"), MARKER)), "at the edge");
    assert!(cluster.cat().contains(MARKER));
    replay(&mut cluster);
    cluster.settle(&sent, "the topic read from its start");
    assert_eq!(cluster.rows_of_gone(), 0);
    assert!(until(WITHIN, || !holds(servers.folders()[1], MARKER)));
    assert_eq!(shown(&serve, &of_all, GONE), NOTHING);
    cluster.command("collect-0", &["site", "add", GONE]);
    assert!(is_revoked(), "it does not come back with the site");
    assert_eq!(serve.stop(), Some(0));
}

/// A group that has committed nothing reads the topic, and an aggregator that knows nothing.
fn replay(cluster: &mut Cluster) {
    assert_eq!(cluster.aggregators.remove(0).stop(), Some(0));
    super::privacy::rewrite(cluster, "group = \"", "group = \"again_");
    let aggregator = cluster.aggregator(0, &[]).unwrap();
    assert!(until(WITHIN, || aggregator.ask_ops("/readyz").body == "ready\n"));
    assert!(until(WITHIN, || aggregator.metric("headcount_lag_records{") == 0));
    cluster.aggregators.push(aggregator);
}

/// Sources of a day that is over: visitors by value.
const SOURCES: [(&str, u64); 4] =
    [("gross.example", 9), ("mittel.example", 6), ("klein.example", 1), ("rest.example", 5)];

#[test]
fn an_aggregator_closes_the_days_that_are_over_and_serve_tells_the_same() {
    let mut cluster = Cluster::new(shared(), "");
    let day = crate::dashboard::worlds::now().day().minus(3);
    let cells = SOURCES.map(|(value, visitors)| {
        let key = CellKey::Attribute { day, attribute: Attribute::Source, value };
        (SITE, key, Counts { visits: visitors, visitors, ..Counts::ZERO })
    });
    let batches = vec![Batch::new(cells).unwrap()];
    let totals = Insert::totals_of(&batches).unwrap();
    let src = "old".to_owned();
    let insert =
        Insert { src, lo: 1, hi: 1, batches, totals, closed_day: day, ..Insert::default() };
    let settings = Settings {
        url: format!("http://{}", cluster.engine),
        database: cluster.database.clone(),
        user: "default".to_owned(),
        password: Secret::new(""),
        cluster: None,
    };
    Writer::connect(&settings).unwrap().apply(&insert, 0).unwrap();
    let serve = cluster.server().unwrap();
    let token = cluster.command("serve", &["token", "add", "--site", SITE]);
    let sources = || {
        let question = format!(
            "{{\"site_id\":\"{SITE}\",\"metrics\":[\"visitors\"],\"date_range\":\"7d\",\
             \"dimensions\":[\"visit:source\"]}}"
        );
        let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
        serve.send("POST /api/v2/query", &bearer, &question).unwrap().body
    };
    let small = "SELECT count() FROM counts WHERE name = 'klein.example'";
    assert_eq!(cluster.number(small), 1);
    let open = sources();
    assert!(open.contains("gross.example") && !open.contains("klein.example"), "{open}");
    cluster.run(1, 2);
    assert!(until(WITHIN, || cluster.number(small) == 0), "{}", sources());
    let results = |said: &str| said.split("\"meta\"").next().map(str::to_owned);
    assert_eq!(results(&sources()), results(&open));
    for (sql, expect) in [
        ("SELECT visitors FROM attribute_counts WHERE value = '(other)'", 6),
        ("SELECT sum(visitors) FROM attribute_counts", 21),
    ] {
        assert_eq!(cluster.number(sql), expect, "{sql}");
    }
    cluster.assert_balanced();
    assert_eq!(serve.stop(), Some(0));
}
