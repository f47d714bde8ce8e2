//! Whom the rooms of a cluster ask: the broker and the engine, and nobody else.
//!
//! What it is not: about one process alone; `crate::promises` watches that one, and commands.
//!
//! What surprises: nothing is stubbed. strace writes down every address that is asked for.

use std::path::{Path, PathBuf};

use super::{Cluster, shared};
use crate::part::Part;
use crate::pipeline::{ALL_AT_ONCE, every_view_holds_the_traffic};
use crate::promises::{asked, watched};
use crate::until::until;

/// A watched headcount of its own for each room, and what is seen of it.
fn eyes(cluster: &Cluster, room: &str) -> (PathBuf, PathBuf) {
    let folder = cluster.folder().join(format!("eyes-{room}"));
    std::fs::create_dir(&folder).unwrap();
    let trace = folder.join("trace");
    (watched(&folder, &trace), trace)
}

#[test]
fn the_rooms_ask_the_broker_and_the_engine_and_nobody_else() {
    let mut cluster = Cluster::new(shared(), ALL_AT_ONCE);
    let [collect, aggregate, serve] =
        ["collect", "aggregate", "serve"].map(|room| eyes(&cluster, room));
    collect.0.clone_into(&mut cluster.edge);
    cluster.aggregators = vec![cluster.aggregator_of(&aggregate.0, 0, &[]).unwrap()];
    cluster.collectors = vec![cluster.collector(0, &[]).unwrap()];
    every_view_holds_the_traffic(&cluster);
    let args = ["serve", "--config", &cluster.config(), "--data", &cluster.data("serve")];
    let part = Part::start(&serve.0, cluster.folder(), "serve", &args, &[]).unwrap();
    assert_eq!(part.ask_ops("/readyz").body, "ready\n");
    assert_eq!(part.stop(), Some(0));
    for part in cluster.collectors.drain(..).chain(cluster.aggregators.drain(..)) {
        assert_eq!(part.stop(), Some(0));
    }
    let port = |address: &str| format!("sin_port=htons({})", address.rsplit_once(':').unwrap().1);
    let (kafka, engine) = (port(shared().kafka.brokers()), port(&cluster.engine));
    for (trace, may) in [
        (&collect.1, vec![&kafka]),
        (&aggregate.1, vec![&kafka, &engine]),
        (&serve.1, vec![&engine]),
    ] {
        let is_known = |line: &String| may.iter().any(|port| line.contains(*port));
        for port in &may {
            let is_seen = || asked(trace).iter().any(|line| line.contains(*port));
            assert!(until(crate::server::PATIENCE, is_seen), "{}", seen(trace));
        }
        let others: Vec<_> = asked(trace).into_iter().filter(|line| !is_known(line)).collect();
        assert_eq!(others, Vec::<String>::new(), "{}", trace.display());
    }
}

fn seen(trace: &Path) -> String {
    format!("{}: {:?}", trace.display(), asked(trace))
}
