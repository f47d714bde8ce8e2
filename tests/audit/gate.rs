//! A gate between an audit and the edge: a test lets as many requests through as it likes, and does
//! what it has to do while the next one waits.
//!
//! What it is not: a proxy. It adds nothing, and it connects from the address that it was asked from,
//! so the edge sees the visitor's own.
//!
//! What surprises: the audit's question whether its site is known yet always passes; what it asks
//! under the same host once it has sent everything may too.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Bytes forwarded at once; the head of a request comes in one piece.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long an audit may take until it sends, and to send what may pass.
const PATIENCE: Duration = Duration::from_secs(240);
/// The header by which the question for the site is known.
const QUESTION: &[u8] = b"\r\nHost: audit\r\n";

#[derive(Default)]
struct State {
    allowed: usize,
    passed: usize,
    waiting: usize,
}

/// A gate that is closed at first.
pub(crate) struct Gate {
    /// What the audit takes for the edge.
    pub(crate) address: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Gate {
    pub(crate) fn before(edge: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let (edge, shared) = (edge.to_owned(), Arc::clone(&state));
        // It lives as long as the process: a thread that waits costs nothing.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (edge, state) = (edge.clone(), Arc::clone(&shared));
                std::thread::spawn(move || forward(client, &edge, &state));
            }
        });
        Self { address, state }
    }

    /// Lets requests through until so many have passed.
    pub(crate) fn allow(&self, requests: usize) {
        self.state.0.lock().unwrap().allowed = requests;
        self.state.1.notify_all();
    }

    /// Lets all through.
    pub(crate) fn open(&self) {
        self.allow(usize::MAX);
    }

    /// Waits until everything has passed that may, and another request waits.
    pub(crate) fn wait_until_held(&self) {
        let held = |state: &mut State| state.passed < state.allowed || state.waiting == 0;
        let state = self.state.0.lock().unwrap();
        let (_state, late) = self.state.1.wait_timeout_while(state, PATIENCE, held).unwrap();
        assert!(!late.timed_out(), "the audit sends nothing");
    }
}

/// One connection: nothing goes on before the gate lets it.
fn forward(mut client: TcpStream, edge: &str, (state, changed): &(Mutex<State>, Condvar)) {
    let mut first = vec![0; CHUNK_BYTES];
    let Ok(length) = client.read(&mut first) else { return };
    first.truncate(length);
    if !first.windows(QUESTION.len()).any(|part| part == QUESTION) {
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        changed.notify_all();
        state = changed.wait_while(state, |state| state.passed >= state.allowed).unwrap();
        state.waiting -= 1;
        state.passed += 1;
        changed.notify_all();
    }
    let Some(mut server) = connected(&client, edge) else { return };
    if server.write_all(&first).is_err() {
        return;
    }
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let answers = std::thread::spawn(move || copy(server, client));
    copy(from, to);
    answers.join().unwrap();
}

/// A connection to the edge from the address of the client.
#[expect(clippy::disallowed_types, reason = "the address of the test's own socket")]
fn connected(client: &TcpStream, edge: &str) -> Option<TcpStream> {
    let (mut from, to) = (client.peer_addr().ok()?, edge.parse::<std::net::SocketAddr>().ok()?);
    from.set_port(0);
    let kind = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let socket = socket2::Socket::new(kind.0, kind.1, None).ok()?;
    socket.bind(&from.into()).ok()?;
    socket.connect(&to.into()).ok()?;
    Some(socket.into())
}

/// Moves bytes one way until that way ends, and ends it on the other side, too.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}
