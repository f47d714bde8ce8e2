//! What a durable count costs, beside servers that do nothing: `cargo bench --bench collector`.
//!
//! What it is not: a record hunt. Requests per second of this machine mean little; the ratios to a
//! bare hyper and to nginx, taken in the same round, are the result.
//!
//! What surprises: it fails if one hit that was answered is not counted afterwards, or is counted
//! twice. A fast run that loses is no result.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[path = "collector/bare.rs"]
mod bare;
#[path = "collector/generator.rs"]
mod generator;
#[path = "collector/load.rs"]
mod load;
#[path = "collector/options.rs"]
mod options;
#[path = "process.rs"]
mod process;
#[path = "collector/report.rs"]
mod report;
#[path = "collector/requests.rs"]
mod requests;
#[path = "collector/response.rs"]
mod response;
#[path = "collector/servers.rs"]
mod servers;

use anyhow::{Context, ensure};

use crate::generator::Outcome;
use crate::load::Load;
use crate::options::{Action, Options};
use crate::report::{Report, Row};
use crate::requests::{Form, Requests};
use crate::servers::{Kind, Servers};

/// One line of the table: a server, and what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    server: Kind,
    form: Form,
}

/// nginx is asked for its `empty_gif` only: it refuses a POST to it.
const CASES: [Case; 5] = [
    Case { server: Kind::Headcount, form: Form::Post },
    Case { server: Kind::Bare, form: Form::Post },
    Case { server: Kind::Headcount, form: Form::Gif },
    Case { server: Kind::Bare, form: Form::Gif },
    Case { server: Kind::Nginx, form: Form::Gif },
];

fn main() -> anyhow::Result<()> {
    match options::read(std::env::args().skip(1))? {
        Action::ServeBare { port } => bare::serve(port),
        Action::Measure(options) => measure(&options),
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let servers = Servers::start(options)?;
    let cases: Vec<Case> = CASES.into_iter().filter(|c| servers.port(c.server).is_some()).collect();
    let requests = Requests::new(options.profile);
    let mut report = Report::new(options);
    for round in 0..options.rounds {
        let mut order = cases.clone();
        if round % 2 == 1 {
            order.reverse();
        }
        for case in order {
            let row = measure_case(options, &servers, &requests, case)?;
            report.add(round, case, row);
        }
    }
    report.conclude();
    if let Some(headcount) = servers.headcount() {
        let accepted = report.accepted_by_headcount();
        let counted = headcount.counted(accepted)?;
        println!("accepted {accepted}, counted {counted}; {}", headcount.memory());
        ensure!(accepted == counted, "accepted and counted differ");
    }
    servers.stop()
}

fn measure_case(
    options: &Options,
    servers: &Servers,
    requests: &Requests,
    case: Case,
) -> anyhow::Result<Row> {
    let port = servers.port(case.server).context("a case without a server")?;
    let mut load = Load::connect(port, options, requests.of(case.form))?;
    let warm = load.run(options.warm_up)?;
    let before = servers.cpu_seconds(case.server)?;
    let outcome = load.run(options.duration)?;
    let cpu_seconds = servers.cpu_seconds(case.server)? - before;
    check(case, &warm)?;
    check(case, &outcome)?;
    Ok(Row { warm_answered: warm.answered, outcome, cpu_seconds })
}

fn check(case: Case, outcome: &Outcome) -> anyhow::Result<()> {
    let Outcome { refused, broken, .. } = outcome;
    ensure!(
        *refused == 0 && *broken == 0,
        "{case:?}: {refused} answers were not 2xx, {broken} connections broke"
    );
    Ok(())
}
