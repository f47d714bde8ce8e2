//! Several generators as one: a thread each, for a closed loop that can fill the machine.
//!
//! What it is not: needed in an open loop, where one thread that looks at the clock all the time is
//! enough and a second would take the server's core.
//!
//! What surprises: with 2,000 connections a generator costs as much per request as the server.

use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::generator::{Generator, Outcome, Pace};
use crate::options::Options;

/// The load on one port.
pub(crate) struct Load<'a> {
    generators: Vec<Generator<'a>>,
    pace: Pace,
}

impl<'a> Load<'a> {
    /// Opens all connections.
    pub(crate) fn connect(
        port: u16,
        options: &Options,
        requests: &'a [Vec<u8>],
    ) -> anyhow::Result<Self> {
        let threads = if options.pace == Pace::Closed { options.threads.max(1) } else { 1 };
        let generators = (0..threads)
            .map(|number| {
                let first = requests.len() * number / threads;
                Generator::connect(port, options.connections / threads, requests, first)
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { generators, pace: options.pace })
    }

    /// Asks for `duration`, then waits for the answers that are due.
    pub(crate) fn run(&mut self, duration: Duration) -> anyhow::Result<Outcome> {
        let pace = self.pace;
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .generators
                .iter_mut()
                .map(|generator| scope.spawn(move || generator.run(pace, duration)))
                .collect();
            let mut total = Outcome::new()?;
            for thread in threads {
                total.add(thread.join().ok().context("a generator panicked")??)?;
            }
            Ok(total)
        })
    }
}
