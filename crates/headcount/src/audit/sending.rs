//! Sending: paced, with the answers looked at.
//!
//! What it is not: load. It sends some hundred requests, at most [`RATE`] a second.
//!
//! What surprises: an answer that is not the expected one fails the audit, too: an audit whose
//! requests were not taken has shown nothing.

use std::time::{Duration, Instant};

use headcount_audit::marker::Markers;
use headcount_audit::report::{Outside, Sent};

use super::Audit;
use super::client::{self, Reply};
use super::finder::{ANSWERS, Finder};
use super::requests::{self, Counted, Good};

/// Requests a second at most.
const RATE: u32 = 100;
/// Visitors that are sent at most so that a crowd is there, and its attributes leave the edge.
const CROWD_MAX: usize = 100;
/// Headers that no answer to a visitor may have: a browser would keep something, or tell more.
const FORBIDDEN: [&str; 12] = [
    "set-cookie",
    "etag",
    "last-modified",
    "expires",
    "accept-ch",
    "critical-ch",
    "alt-svc",
    "nel",
    "report-to",
    "reporting-endpoints",
    "server-timing",
    "location",
];

/// What was sent, and what must have been counted.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sent: Vec<Sent>,
    pub(super) views: u64,
    pub(super) clicks: u64,
    pub(super) refused: u64,
    /// Channels and ways on which nothing could be sent, and why.
    pub(super) unsent: Vec<Outside>,
}

impl Told {
    fn note(&mut self, kind: &str, is_right: bool) {
        let at = self.sent.iter().position(|sent| sent.kind == kind).unwrap_or_else(|| {
            self.sent.push(Sent { kind: kind.to_owned(), sent: 0, unexpected: 0 });
            self.sent.len() - 1
        });
        self.sent[at].sent += 1;
        self.sent[at].unexpected += u64::from(!is_right);
    }

    pub(super) fn not_sent(&mut self, what: &str, why: &str) {
        self.unsent.push(Outside { what: what.to_owned(), why: why.to_owned() });
    }
}

struct Sender<'a> {
    address: &'a str,
    /// The header by which a proxy names visitors.
    header: Option<&'a str>,
    markers: &'a Markers,
    finder: &'a mut Finder,
    told: Told,
    next: Instant,
    number: usize,
}

/// Sends everything.
pub(super) fn tell(audit: &Audit<'_>, markers: &Markers, finder: &mut Finder) -> Told {
    finder.said(ANSWERS, "head and body of every answer");
    let mut sender = Sender {
        address: &audit.running.visitors,
        header: audit.config.addresses.header_name(),
        markers,
        finder,
        told: Told::default(),
        next: Instant::now(),
        number: 0,
    };
    let crowd = usize::try_from(audit.config.release.crowd).unwrap_or(usize::MAX);
    let good = requests::good(markers);
    for good in &good {
        sender.good(good);
    }
    // Somebody new each, until attributes leave the edge; the first view alone is one.
    let (views, more) = (good.len(), (crowd + 2).saturating_sub(good.len()));
    for at in 0..more.min(CROWD_MAX) {
        sender.good(&requests::view(markers, &format!("/sida-{}", (views + at) % 7), ""));
    }
    sender.as_peer();
    for good in &good {
        sender.bad(good);
        sender.cut_off(good);
    }
    for wish in requests::wishes(markers) {
        sender.one(&wish);
        sender.told.refused += 1;
    }
    let stays = match (audit.config.visitors, more > CROWD_MAX) {
        (false, _) => Some("the UTC day ends".to_owned()),
        (true, true) => Some(format!("{crowd} visitors are there, which an audit does not send")),
        (true, false) => None,
    };
    if let Some(until) = stays {
        let why = format!("not examined; they stay at the edge until {until}");
        sender.told.not_sent("attributes on their way and in the store", &why);
    }
    sender.told
}

impl Sender<'_> {
    /// Waits for its turn; the headers of this request.
    fn headers(&mut self, address: Option<String>) -> String {
        std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = Instant::now() + Duration::from_secs(1) / RATE;
        self.number += 1;
        let named = address.as_ref().map(|address| requests::named_by(self.header, address));
        requests::headers(self.markers, self.number, address.as_deref())
            + &named.unwrap_or_default()
    }

    /// The address of the next visitor.
    fn address(&self) -> Option<String> {
        let names = ["address: IPv4 in headers", "address: IPv6 in headers"];
        Some(self.markers.text(names[self.number % 2]))
    }

    fn note(&mut self, kind: &str, right: &[u16], reply: Option<Reply>) {
        let is_right = reply.as_ref().is_some_and(|reply| right.contains(&reply.status));
        self.told.note(kind, is_right);
        let Some(reply) = reply else { return };
        let at = format!("{kind}: {}", reply.status);
        self.finder.bytes(ANSWERS, &at, &reply.bytes);
        if !reply.is_whole {
            self.finder.not_tested(ANSWERS, &format!("{at}: the answer did not come in whole"));
        }
        for name in reply.header_names().iter().filter(|name| FORBIDDEN.contains(&name.as_str())) {
            self.finder.broken(ANSWERS, &at, ("a header that must not be there", name));
        }
    }

    fn good(&mut self, good: &Good) {
        let headers = self.headers(self.address()) + &good.headers;
        let reply = client::send(self.address, &client::request(&good.line, &headers, &good.body));
        self.note("good", &[200, 204], reply);
        self.count(good.counted);
    }

    fn count(&mut self, counted: Counted) {
        match counted {
            Counted::View => self.told.views += 1,
            Counted::Click => self.told.clicks += 1,
        }
    }

    /// A view without an address in its headers, from another address of this machine.
    fn as_peer(&mut self) {
        if !client::is_loopback(self.address) {
            let why = "not sent; the listener is on no address of this machine alone";
            return self.told.not_sent("channel \"address: of the connection\"", why);
        }
        let good = requests::view(self.markers, "/sida-0", "");
        let headers = self.headers(None);
        let from = self.markers.text("address: of the connection");
        let request = client::request(&good.line, &headers, &good.body);
        let reply = client::send_from(&from, self.address, &request);
        self.note("good", &[200, 204], reply);
        self.count(good.counted);
    }

    fn bad(&mut self, good: &Good) {
        for bad in requests::bad(self.markers, good) {
            self.one(&bad);
            self.told.refused += u64::from(bad.kind == requests::ORIGIN);
        }
    }

    fn one(&mut self, bad: &requests::Bad) {
        let headers = self.headers(self.address()) + &bad.headers;
        let reply = client::send(self.address, &client::request(&bad.line, &headers, &bad.body));
        self.note(bad.kind, bad.right, reply);
    }

    /// Heads and bodies that end in the middle.
    fn cut_off(&mut self, good: &Good) {
        let headers = self.headers(self.address()) + &good.headers;
        let head = format!("{} HTTP/1.1\r\n{headers}", good.line);
        let half = format!("{head}Content-Length: 4000\r\n\r\n{}", good.body);
        let noise = format!("{}\u{0}\r\n\r\n", good.body);
        // A pixel's head is the whole of it, whatever body it promises.
        let half = if good.body.is_empty() { head.clone() } else { half };
        for text in [head, half, noise] {
            let left = client::leave(self.address, text.as_bytes());
            self.told.note(requests::CUT_OFF, left);
        }
    }
}
