//! The table, and the ratios that are the result.
//!
//! What it is not: averages over servers. Each ratio is of two rows of the same round, and the
//! median and range of those are given.
//!
//! What surprises: the range is as important as the median; a ratio whose range spans a fifth says
//! that the machine was busy.

use crate::generator::{Outcome, Pace};
use crate::options::Options;
use crate::requests::Form;
use crate::servers::Kind;
use crate::{CASES, Case};

/// One measurement.
pub(crate) struct Row {
    pub(crate) warm_answered: u64,
    pub(crate) outcome: Outcome,
    pub(crate) cpu_seconds: f64,
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
    fn answered(&self) -> f64 {
        self.outcome.answered as f64
    }

    fn hits_per_second(&self) -> f64 {
        self.answered() / self.outcome.elapsed.as_secs_f64()
    }

    fn cpu_us_per_hit(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.answered()
    }
}

/// All measurements.
pub(crate) struct Report {
    rows: Vec<(usize, Case, Row)>,
    is_open: bool,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        let Options { rounds, duration, connections, profile, pace, .. } = options;
        println!(
            "{rounds} rounds of {duration:?}, {connections} connections, {profile:?} pages, {pace:?}"
        );
        println!(
            "{:>5} {:<15} {:>9} {:>8} {:>6} {:>9} {:>9} {:>9} {:>7}",
            "round", "case", "hits/s", "CPU us", "cores", "p50 us", "p99 us", "p99.9 us", "late %"
        );
        Self { rows: Vec::new(), is_open: *pace != Pace::Closed }
    }

    pub(crate) fn add(&mut self, round: usize, case: Case, row: Row) {
        let quantile = |q: f64| row.outcome.latency_us.value_at_quantile(q);
        #[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
        let late = row.outcome.late as f64 * 100.0 / row.answered();
        println!(
            "{:>5} {:<15} {:>9.0} {:>8.2} {:>6.2} {:>9} {:>9} {:>9} {:>7.2}",
            round + 1,
            name(case),
            row.hits_per_second(),
            row.cpu_us_per_hit(),
            row.cpu_seconds / row.outcome.elapsed.as_secs_f64(),
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            late,
        );
        self.rows.push((round, case, row));
    }

    /// Prints medians of every case, and the ratios.
    pub(crate) fn conclude(&self) {
        println!("\nmedians over rounds");
        for case in CASES {
            let of = |value: fn(&Row) -> f64| {
                let rows = self.rows.iter().filter(|(_, of, _)| *of == case);
                spread(rows.map(|(_, _, row)| value(row)).collect())
            };
            let Some(rate) = of(Row::hits_per_second) else { continue };
            let cpu = of(Row::cpu_us_per_hit).unwrap_or(rate);
            let p99 = of(|row| quantile_us(row, 0.99)).unwrap_or(rate);
            println!(
                "{:<15} hits/s {:.0} ({:.0}-{:.0}), CPU/hit {:.2} us ({:.2}-{:.2}), p99 {:.0} us",
                name(case),
                rate.median,
                rate.least,
                rate.most,
                cpu.median,
                cpu.least,
                cpu.most,
                p99.median,
            );
        }
        println!();
        for (form, control) in
            [(Form::Post, Kind::Bare), (Form::Gif, Kind::Bare), (Form::Gif, Kind::Nginx)]
        {
            self.ratio("CPU/hit", form, control, Row::cpu_us_per_hit);
            if !self.is_open {
                self.ratio("hits/s", form, control, Row::hits_per_second);
            }
        }
    }

    /// Everything headcount has answered, warm-up included.
    pub(crate) fn accepted_by_headcount(&self) -> u64 {
        let ours = self.rows.iter().filter(|(_, case, _)| case.server == Kind::Headcount);
        ours.map(|(_, _, row)| row.warm_answered + row.outcome.answered).sum()
    }

    fn ratio(&self, what: &str, form: Form, control: Kind, value: fn(&Row) -> f64) {
        let find = |round: usize, server: Kind| {
            let case = Case { server, form };
            let found =
                self.rows.iter().find(|(in_round, of, _)| *in_round == round && *of == case);
            found.map(|(_, _, row)| value(row))
        };
        let rounds = self.rows.iter().map(|(round, _, _)| round + 1).max().unwrap_or(0);
        let ratios = (0..rounds)
            .filter_map(|round| Some(find(round, Kind::Headcount)? / find(round, control)?))
            .collect();
        let Some(Spread { least, median, most }) = spread(ratios) else { return };
        let against = if control == Kind::Bare { "bare hyper" } else { "nginx empty_gif" };
        println!("{what} vs {against}, {form:?}: {median:.2} ({least:.2}-{most:.2})");
    }
}

#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let median = *values.get(values.len() / 2)?;
    Some(Spread { least: *values.first()?, median, most: *values.last()? })
}

#[expect(clippy::cast_precision_loss, reason = "latencies stay far below 2^53 us")]
fn quantile_us(row: &Row, quantile: f64) -> f64 {
    row.outcome.latency_us.value_at_quantile(quantile) as f64
}

fn name(case: Case) -> String {
    format!("{:?} {:?}", case.server, case.form).to_lowercase()
}
