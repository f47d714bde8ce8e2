//! A thread, a task or a request of each room of a cluster fails with markers on its way.
//!
//! What it is not: a test of what is counted then; `crash` is.
//!
//! What surprises: each failing process has a topic and a database of its own, so that it alone is
//! hit by what it fails at.

use std::process::Command;

use super::{Cluster, shared};
use crate::panics::{armed, assert_quiet, question, see_through, send, send_hit};
use crate::part::Part;
use crate::server::SITE;

/// Lets one process of a new cluster fail at a failpoint. `run` starts it, in this environment.
fn check(
    (name, code, output): (&str, i32, &str),
    run: impl Fn(&mut Cluster, &[(&str, &str)]) -> Part,
    act: impl Fn(&Cluster, &Part),
) {
    let mut cluster = Cluster::new(shared(), "");
    let armed = armed(name);
    let mut part = run(&mut cluster, &[("HEADCOUNT_FAILPOINT", armed.as_str())]);
    act(&cluster, &part);
    see_through(&mut part, name, code, &cluster.folder().join(output));
}

fn hit(_: &Cluster, part: &Part) {
    send_hit(&part.address);
}

fn operate(_: &Cluster, part: &Part) {
    send(&part.ops, "GET /metrics?kanarie", "", "");
}

#[test]
fn a_collector_that_fails_says_where_and_nothing_else() {
    let run = |cluster: &mut Cluster, armed: &[(&str, &str)]| cluster.collector(0, armed).unwrap();
    std::thread::scope(|scope| {
        for (name, code) in [
            ("hit-added", 0),
            ("core-sweeps", 1),
            ("commit-after", 1),
            ("ship-after", 1),
            ("house-kept", 1),
        ] {
            scope.spawn(move || check((name, code, "collect-0.out"), run, hit));
        }
        scope.spawn(move || check(("request-entered", 0, "collect-0.out"), run, operate));
    });
}

#[test]
fn an_aggregator_that_fails_says_where_and_nothing_else() {
    let run = |cluster: &mut Cluster, armed: &[(&str, &str)]| {
        let aggregator = cluster.aggregator(0, armed).unwrap();
        cluster.collectors = vec![cluster.collector(0, &[]).unwrap()];
        aggregator
    };
    let through = |cluster: &Cluster, _: &Part| send_hit(&cluster.collectors[0].address);
    std::thread::scope(|scope| {
        for name in ["apply-before", "ack-after"] {
            scope.spawn(move || check((name, 1, "aggregate-0.out"), run, through));
        }
        scope.spawn(move || check(("request-entered", 0, "aggregate-0.out"), run, operate));
    });
}

#[test]
fn a_dashboard_that_fails_says_where_and_nothing_else() {
    let run = |cluster: &mut Cluster, armed: &[(&str, &str)]| {
        // Its tables are an aggregator's.
        cluster.aggregators = vec![cluster.aggregator(0, &[]).unwrap()];
        cluster.server_in(armed).unwrap()
    };
    let ask = |token: &str, part: &Part| {
        send(&part.address, "POST /api/v2/query", token, &question());
    };
    let wrong = |_: &Cluster, part: &Part| ask("hc_kanarie", part);
    let right = |cluster: &Cluster, part: &Part| {
        let mut add = Command::new(env!("CARGO_BIN_EXE_headcount"));
        let (config, data) = (cluster.config(), cluster.data("serve"));
        add.args(["token", "add", "--site", SITE, "--config", &config, "--data", &data]);
        ask(String::from_utf8(add.output().unwrap().stdout).unwrap().trim(), part);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| check(("request-entered", 0, "serve.out"), run, operate));
        scope.spawn(|| check(("request-entered", 0, "serve.out"), run, wrong));
        scope.spawn(|| check(("token-looked-up", 0, "serve.out"), run, wrong));
        scope.spawn(|| check(("question-asked", 0, "serve.out"), run, right));
        // Its second look, five seconds after the first.
        scope.spawn(|| check(("sites-looked-up:2", 1, "serve.out"), run, wrong));
    });
    // The first one is before it says where it is.
    let mut cluster = Cluster::new(shared(), "");
    cluster.aggregators = vec![cluster.aggregator(0, &[]).unwrap()];
    let armed = armed("sites-looked-up");
    let ended = cluster.server_in(&[("HEADCOUNT_FAILPOINT", &armed)]).err().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.said);
    assert_quiet("sites-looked-up", &[&ended.said]);
}
