//! `headcount audit` on a cluster: real Kafka, the real ClickHouse engine, each room a process.
//!
//! What it is not: the audit of one process; that is `crate::audit`.
//!
//! What surprises: a leak into ClickHouse is the aggregator's, which meets no visitor. What the
//! collector saw goes to it through a file that only the build with leaks knows.

mod midnight;
mod outage;

use headcount_audit::report::{Status, Verdict};

use super::{Cluster, shared};
use crate::audit::{Ended, OWNER, assert_passed, at_once, audit, check, claim, leaky, shipped};
use crate::part::Part;
use crate::privacy::without_sanitiser;
use crate::server::Deployment as _;

/// Leaks of a cluster, and the artefact that the report must name.
const PLANTED: [(&str, &str); 4] = [
    ("kafka-key", "keys of Kafka's records"),
    ("kafka-header", "headers of Kafka's records"),
    ("kafka-time", "timestamps of Kafka's records"),
    ("clickhouse", "tables of ClickHouse"),
];

/// Audits every part of a cluster with one collector and one aggregator.
fn audit_cluster(cluster: &Cluster, serve: &Part) -> Ended {
    let mut args = args_cluster(cluster, serve, &cluster.collectors[0].address);
    args.extend(["--seconds", "120"].map(str::to_owned));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    audit(shipped(), cluster.folder(), &args)
}

/// What an audit of a cluster is told: data, where each part answers, logs.
fn args_cluster(cluster: &Cluster, serve: &Part, listen: &str) -> Vec<String> {
    let (collect, aggregate) = (&cluster.collectors[0], &cluster.aggregators[0]);
    let (data, of_serve) = (cluster.data("collect-0"), cluster.data("serve"));
    let mut args = vec!["--data", &data, "--serve-data", &of_serve];
    args.extend(["--listen", listen, "--stats-listen", &serve.address]);
    for part in [collect, aggregate, serve] {
        args.extend(["--ops-listen", &part.ops]);
    }
    let logs: Vec<String> = ["collect-0", "aggregate-0", "serve"]
        .iter()
        .flat_map(|name| ["log", "out"].map(|ending| cluster.data(&format!("{name}.{ending}"))))
        .collect();
    logs.iter().for_each(|log| args.extend(["--log", log]));
    args.into_iter().map(str::to_owned).collect()
}

#[test]
fn a_cluster_passes_and_everything_of_it_was_examined() {
    let mut cluster = Cluster::new(shared(), OWNER);
    cluster.run(1, 1);
    let serve = cluster.server().unwrap();
    let ended = audit_cluster(&cluster, &serve);
    assert_passed(&ended);
    for (id, status) in [
        ("short.counts", Status::Passed),
        ("stored.clicks", Status::Passed),
        ("place.cluster", Status::NotApplicable),
        ("place.transport", Status::Passed),
        ("limits.topic", Status::NotApplicable),
    ] {
        let is_forbidden = claim(&ended.report, "checked.audit") == Status::NotTested;
        assert!(claim(&ended.report, id) == status || is_forbidden, "{id}");
    }
    for name in PLANTED.map(|(_, place)| place) {
        let artefact = ended.report.artefacts.iter().find(|it| it.name == name).unwrap();
        assert_eq!(artefact.status, Status::Passed, "{artefact:?}");
    }
    for name in [
        "without a token",
        "tables, columns and rows",
        "admin log of collect",
        "the data map",
        "the text policy",
        "the day's key",
    ] {
        assert_eq!(check(&ended.report, name), Status::Passed, "{name}");
    }
    assert_eq!(check(&ended.report, "admin log of serve"), Status::Passed);
    // The user of the tests may do everything.
    assert_eq!(check(&ended.report, "rights of ClickHouse's user"), Status::AsFound);
    let small = &ended.report.evidence.small_cells[0];
    assert!(small.store == "ClickHouse" && !small.said.contains("not tested"), "{small:?}");
    assert!(ended.report.evidence.taken_said.is_empty(), "{:?}", ended.report.evidence.taken);
    let attributes = "SELECT count(*) FROM attribute_counts WHERE site = 'audit.invalid'";
    assert_eq!(cluster.number(attributes), 0, "the audit's site is erased");
    cluster.assert_balanced();
    assert_eq!(serve.stop(), Some(0));
}

#[test]
fn each_leak_of_a_cluster_is_found_and_its_place_named() {
    let binary = without_sanitiser();
    let find = |(leak, place): (&str, &str)| {
        let mut cluster = Cluster::new(shared(), "");
        binary.clone_into(&mut cluster.edge);
        let armed = format!("{leak}:{}", cluster.data("seen"));
        let environment = [("HEADCOUNT_LEAK", armed.as_str())];
        cluster.aggregators = vec![cluster.aggregator_of(&binary, 0, &environment).unwrap()];
        cluster.collectors = vec![cluster.collector(0, &environment).unwrap()];
        let serve = cluster.server().unwrap();
        let ended = audit_cluster(&cluster, &serve);
        assert_eq!((ended.code, ended.report.verdict), (Some(1), Verdict::Failed), "{leak}");
        assert!(leaky(&ended.report).contains(&place), "{leak}: {}", ended.said);
    };
    at_once(&PLANTED, &find);
}
