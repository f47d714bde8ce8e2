//! The load: many keep-alive connections in one thread, closed or open loop.
//!
//! What it is not: a browser. Bytes are made before, answers are only measured for their length.
//!
//! What surprises: in an open loop the clock of a request starts when it was due, not when it was
//! sent. A server that stalls is charged for everybody who would have come meanwhile.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::response::{Answer, first_answer};

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Every connection asks again as soon as it is answered.
    Closed,
    /// A fixed schedule, whatever the server does.
    Open { per_second: u32 },
}

/// What happened in one run.
pub(crate) struct Outcome {
    /// Answers 200 to 299.
    pub(crate) answered: u64,
    /// Other answers.
    pub(crate) refused: u64,
    /// Requests whose connection ended without an answer.
    pub(crate) broken: u64,
    /// Open loop: requests sent more than 4 ms after they were due, or never.
    pub(crate) late: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latency_us: Histogram<u64>,
}

/// Connections opened at once; more would overflow a listener's backlog.
const CONNECT_BATCH: usize = 200;
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);
/// How long the last answers may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(15);
/// The clock of an open loop.
const TICK: Duration = Duration::from_millis(1);
/// Sent so long after it was due, a request says that the load did not get its core.
const LATE: Duration = Duration::from_millis(4);

struct Connection {
    stream: TcpStream,
    connected: bool,
    /// Which request is under way, how much of it is written, and since when it counts.
    request: Option<(usize, usize, Instant)>,
    inbox: Vec<u8>,
}

/// A load on one port.
pub(crate) struct Generator<'a> {
    port: u16,
    requests: &'a [Vec<u8>],
    next: usize,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    buffer: Vec<u8>,
}

impl<'a> Generator<'a> {
    /// Opens all connections and waits until they are there; `first` is the request to begin with.
    pub(crate) fn connect(
        port: u16,
        count: usize,
        requests: &'a [Vec<u8>],
        first: usize,
    ) -> anyhow::Result<Self> {
        let mut generator = Self {
            port,
            requests,
            next: first,
            poll: Poll::new()?,
            events: Events::with_capacity(1_024),
            connections: Vec::with_capacity(count),
            idle: VecDeque::with_capacity(count),
            buffer: vec![0; 16 * 1_024],
        };
        let give_up = Instant::now() + CONNECT_PATIENCE;
        while generator.idle.len() < count {
            ensure!(Instant::now() < give_up, "only {} connections came up", generator.idle.len());
            let waiting = generator.connections.len() - generator.idle.len();
            for _ in waiting..CONNECT_BATCH.min(count - generator.idle.len()) {
                let index = generator.connections.len();
                let connection = generator.open(index)?;
                generator.connections.push(connection);
            }
            generator.wait(Duration::from_millis(10), &mut Outcome::new()?)?;
        }
        Ok(generator)
    }

    /// Asks for `duration`, then waits for the answers that are due.
    pub(crate) fn run(&mut self, pace: Pace, duration: Duration) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::new()?;
        let start = Instant::now();
        let end = start + duration;
        let mut due = start;
        loop {
            let now = Instant::now();
            if now >= end {
                break;
            }
            let timeout = match pace {
                Pace::Closed => {
                    while let Some(index) = self.idle.pop_front() {
                        self.ask(index, Instant::now(), &mut outcome)?;
                    }
                    end - now
                }
                Pace::Open { per_second } => {
                    let step = Duration::from_secs(1) / per_second;
                    while due <= now && !self.idle.is_empty() {
                        if now - due > LATE {
                            outcome.late += 1;
                        }
                        let index = self.idle.pop_front().context("not empty")?;
                        self.ask(index, due, &mut outcome)?;
                        due += step;
                    }
                    // The system's timer is coarser than a step, and whoever looked all the time
                    // would take the cores from the server that it measures. What came due in a
                    // tick is sent after it, and its latency counts from when it was due.
                    if self.idle.is_empty() { end - now } else { TICK }
                }
            };
            self.wait(timeout, &mut outcome)?;
        }
        outcome.elapsed = start.elapsed();
        if let Pace::Open { per_second } = pace {
            let unsent_us = end.saturating_duration_since(due).as_micros();
            outcome.late += u64::try_from(unsent_us * u128::from(per_second) / 1_000_000)?;
        }
        let give_up = Instant::now() + DRAIN_PATIENCE;
        while self.idle.len() < self.connections.len() {
            ensure!(Instant::now() < give_up, "requests were left without an answer");
            self.wait(Duration::from_millis(10), &mut outcome)?;
        }
        Ok(outcome)
    }

    fn open(&mut self, index: usize) -> anyhow::Result<Connection> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port).parse()?)?;
        stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), interest)?;
        Ok(Connection { stream, connected: false, request: None, inbox: Vec::new() })
    }

    fn ask(&mut self, index: usize, since: Instant, outcome: &mut Outcome) -> anyhow::Result<()> {
        self.connections[index].request = Some((self.next, 0, since));
        self.next = (self.next + 1) % self.requests.len();
        if self.connections[index].write(self.requests).is_err() {
            self.reopen(index, outcome)?;
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration, outcome: &mut Outcome) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let ready: Vec<(usize, bool)> =
            self.events.iter().map(|event| (event.token().0, event.is_writable())).collect();
        for (index, writable) in ready {
            let connection = &mut self.connections[index];
            if writable && !connection.connected {
                connection.connected = true;
                self.idle.push_back(index);
            }
            let written = if writable { connection.write(self.requests) } else { Ok(()) };
            match written.and_then(|()| connection.read(&mut self.buffer)) {
                Ok(Some((answer, since))) => {
                    outcome.record(answer.status, since)?;
                    if answer.closes {
                        self.reopen(index, outcome)?;
                    } else {
                        self.idle.push_back(index);
                    }
                }
                Ok(None) => {}
                Err(_) => self.reopen(index, outcome)?,
            }
        }
        Ok(())
    }

    /// A server may end a connection between two answers; in the middle of one it may not.
    fn reopen(&mut self, index: usize, outcome: &mut Outcome) -> anyhow::Result<()> {
        if self.connections[index].request.is_some() {
            outcome.broken += 1;
        }
        self.idle.retain(|idle| *idle != index);
        self.connections[index] = self.open(index)?;
        Ok(())
    }
}

impl Connection {
    fn write(&mut self, requests: &[Vec<u8>]) -> io::Result<()> {
        let Some((request, written, _)) = &mut self.request else { return Ok(()) };
        while *written < requests[*request].len() {
            match self.stream.write(&requests[*request][*written..]) {
                Ok(bytes) => *written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The answer that is whole now, and since when it was awaited.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<(Answer, Instant)>> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => {
                    self.inbox.extend_from_slice(&buffer[..bytes]);
                    // No more is there, or it would have come along: spare a system call.
                    if bytes < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let Some(answer) = first_answer(&self.inbox) else { return Ok(None) };
        self.inbox.drain(..answer.bytes);
        Ok(self.request.take().map(|(_, _, since)| (answer, since)))
    }
}

impl Outcome {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            answered: 0,
            refused: 0,
            broken: 0,
            late: 0,
            elapsed: Duration::ZERO,
            latency_us: Histogram::new_with_max(60_000_000, 3)?,
        })
    }

    /// Adds what another generator saw at the same time.
    pub(crate) fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.answered += other.answered;
        self.refused += other.refused;
        self.broken += other.broken;
        self.late += other.late;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency_us.add(other.latency_us)?;
        Ok(())
    }

    fn record(&mut self, status: u16, since: Instant) -> anyhow::Result<()> {
        if (200..300).contains(&status) {
            self.answered += 1;
        } else {
            self.refused += 1;
        }
        self.latency_us.saturating_record(u64::try_from(since.elapsed().as_micros())?);
        Ok(())
    }
}
