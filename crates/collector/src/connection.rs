//! One connection: its deadlines, and the wrapper that notices when bytes move.
//!
//! What it is not: a timer per connection. A room is swept four times a second;
//! a deadline costs a request one store to memory.
//!
//! What surprises: a connection is dropped without a word at its deadline. Whoever sends a byte a
//! second gets no answer either.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Time between two sweeps of a [`Room`](crate::room::Room).
pub const TICK: Duration = Duration::from_millis(250);
/// Ticks in a second.
const TICKS: u32 = 4;
/// Until the header is whole, from the first byte or from accepting.
const HEAD_TICKS: u32 = 5 * TICKS;
/// Until the answer is there, from the header on: body and commit.
const REQUEST_TICKS: u32 = REQUEST_SECONDS * TICKS;
const REQUEST_SECONDS: u32 = 10;
/// Who answers later than this after the header finds no connection.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(REQUEST_SECONDS as u64);
/// Until the first byte of the answer is taken.
const ANSWER_TICKS: u32 = 5 * TICKS;
/// Between two requests, and between two pieces of a long answer.
const IDLE_TICKS: u32 = 15 * TICKS;
/// Requests on one connection at most.
const REQUESTS_MAX: u32 = 10_000;
/// Age of a visitor's connection at most; a proxy beside us keeps its own.
const AGE_TICKS: u32 = 300 * TICKS;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Head,
    Request,
    Answer,
    Idle,
}

/// What a connection is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Stay,
    /// End after the request that runs.
    Leave,
    /// End now.
    Drop,
}

/// What the sweep knows of a connection.
pub(crate) struct Watch {
    phase: Cell<Phase>,
    deadline: Cell<u32>,
    now: Rc<Cell<u32>>,
    requests: Cell<u32>,
    ends_at: u32,
    order: Cell<Order>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    pub(crate) fn new(now: &Rc<Cell<u32>>, ages: bool) -> Self {
        let start = now.get();
        Self {
            phase: Cell::new(Phase::Head),
            deadline: Cell::new(start.saturating_add(HEAD_TICKS)),
            now: Rc::clone(now),
            requests: Cell::new(0),
            ends_at: if ages { start.saturating_add(AGE_TICKS) } else { u32::MAX },
            order: Cell::new(Order::Stay),
            waker: RefCell::new(None),
        }
    }

    /// A request's header is whole.
    pub(crate) fn begin(&self) {
        self.enter(Phase::Request, REQUEST_TICKS);
        self.requests.set(self.requests.get() + 1);
        if self.requests.get() >= REQUESTS_MAX {
            self.order.set(Order::Leave);
        }
    }

    /// Its answer is there.
    pub(crate) fn end(&self) {
        self.enter(Phase::Answer, ANSWER_TICKS);
    }

    /// What to do now; remembers whom to wake when that changes.
    pub(crate) fn order(&self, context: &Context<'_>) -> Order {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
        self.order.get()
    }

    /// Tells the connection to end.
    pub(crate) fn tell(&self, order: Order) {
        self.order.set(order);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Called by the sweep: whether the connection is late.
    pub(crate) fn sweep(&self) -> bool {
        let now = self.now.get();
        if now >= self.deadline.get() {
            self.tell(Order::Drop);
            return true;
        }
        if now >= self.ends_at && self.order.get() == Order::Stay {
            self.tell(Order::Leave);
        }
        false
    }

    fn enter(&self, phase: Phase, ticks: u32) {
        self.phase.set(phase);
        self.deadline.set(self.now.get().saturating_add(ticks));
    }

    fn was_read(&self) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head, HEAD_TICKS);
        }
    }

    fn was_written(&self) {
        if matches!(self.phase.get(), Phase::Answer | Phase::Idle) {
            self.enter(Phase::Idle, IDLE_TICKS);
        }
    }
}

/// A socket that tells its watch what moves.
pub(crate) struct Watched {
    io: TokioIo<TcpStream>,
    watch: Rc<Watch>,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream, watch: Rc<Watch>) -> Self {
        Self { io: TokioIo::new(stream), watch }
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.watch.was_read();
        }
        read
    }
}

impl Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.watch.was_written();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, buffers);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.watch.was_written();
        }
        written
    }
}
