//! What must not be there: what a request may not change, and what no file may hold.
//!
//! What it is not: a proof for texts that nobody thought of; each channel has one marker.
//!
//! What surprises: the same traffic also goes to a build that keeps everything it is sent. Only
//! because the search finds the markers there does finding none of them here say something.

pub(crate) mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use headcount_collector::edge_file::EdgeFile;
use headcount_collector::names::NameId;
use headcount_collector::release::ReleaseRule;
use headcount_core::time::Day;

use self::search::{Found, Search, TEXTS, V6, note, note_files};
use crate::dice::Dice;
use crate::pipeline::{PROXY, timeless};
use crate::server::{CHROME, Deployment as _, PATIENCE, Reply, SITE, Server, ask as send, raw};
use crate::until::until;

/// Requests of the comparison.
const REQUESTS: usize = 60;
/// Longer than release and shipping take.
pub(crate) const SETTLING: Duration = Duration::from_millis(2_500);

/// A request in the parts that may change its count.
pub(crate) struct Base {
    pub(crate) line: String,
    headers: Vec<String>,
    body: String,
}

pub(crate) fn base(dice: &mut Dice) -> Base {
    let page = dice.pick(&["/", "/priser", "/om/oss", "/kund/88/avtal", "/a?utm_source=brev", "x"]);
    let referrer = dice.pick(&["", "https://duckduckgo.com/?q=a", "https://example.org/b"]);
    let site = if dice.one_in(8) { "example.net" } else { SITE };
    let extra = dice.pick(&["", "", ",\"c\":\"/boka\"", ",\"e\":\"signup\"", ",\"e\":\"annat\""]);
    let agent = dice.pick(&[
        CHROME,
        CHROME,
        "Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Googlebot/2.1",
    ]);
    let mut headers = vec![format!("User-Agent: {agent}")];
    for header in ["DNT: 1", "Sec-GPC: 1", "Sec-Purpose: prefetch", "Origin: https://other.net"] {
        if dice.one_in(10) {
            headers.push(header.to_owned());
        }
    }
    if dice.one_in(3) {
        headers.push(format!("Referer: https://{SITE}/fran"));
    }
    if dice.one_in(3) {
        let line = format!("GET /p.gif?s={site}&p={page}&r={referrer}");
        return Base { line, headers, body: String::new() };
    }
    let body = if dice.one_in(10) {
        "{\"s\":".to_owned()
    } else {
        format!("{{\"s\":\"{site}\",\"p\":\"{page}\",\"r\":\"{referrer}\"{extra}}}")
    };
    Base { line: "POST /hit".to_owned(), headers, body }
}

/// Headers that nothing may depend on.
pub(crate) fn noise(dice: &mut Dice) -> Vec<String> {
    let mut noise = Vec::new();
    for name in [
        "Cookie",
        "Accept-Language",
        "Authorization",
        "If-None-Match",
        "If-Modified-Since",
        "Via",
        "X-Real-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Forwarded-For",
        "Forwarded",
        "Range",
        "X-Forwarded-Host",
        "Sec-CH-UA",
        "Sec-CH-UA-Platform",
        "Sec-CH-UA-Model",
        "Content-Type",
        "Accept-Encoding",
        "Accept",
        "Sec-Fetch-Site",
        "From",
        "Device-Memory",
        "ECT",
        "Save-Data",
    ] {
        if !dice.one_in(3) {
            noise.push(format!("{name}: {}", value(dice)));
        }
    }
    noise.push(format!("X-{:x}: {}", dice.roll(), value(dice)));
    noise
}

fn value(dice: &mut Dice) -> String {
    let octet = dice.roll() % 256;
    let drawn = format!("id={:x}; \"{:x}\"", dice.roll(), dice.roll());
    let address = format!("203.0.113.{octet}");
    dice.pick(&[&drawn, &address, "gzip, br", "Bearer abc", "for=192.0.2.60", "*/*"]).to_owned()
}

/// The same request with everything else changed.
pub(crate) fn variant(base: &Base, dice: &mut Dice) -> (Base, String) {
    let mut headers = base.headers.clone();
    for line in noise(dice) {
        let at = usize::try_from(dice.roll() % (headers.len() as u64 + 1)).unwrap();
        headers.insert(at, line);
    }
    for line in &mut headers {
        if let Some((name, value)) = line.split_once(": ").filter(|_| dice.one_in(2)) {
            *line = format!("{}: {value}", name.to_ascii_uppercase());
        }
    }
    let mut line = base.line.clone();
    let mut body = base.body.clone();
    if line.contains("p.gif") {
        write!(line, "&id={:x}&w=1920&s=late.example&u[]=7", dice.roll()).unwrap();
    } else {
        let field = format!(
            "{{ \"id\" : \"{:x}\",\"screen\":{{\"s\":[1,{{\"p\":null}}]}},\"\u{e5}\":\"\\u0000\",",
            dice.roll()
        );
        body = body.replacen('{', &field, 1) + " \n";
    }
    (Base { line, headers, body }, format!("host{:x}.example", dice.roll() % 999))
}

/// Sends a request as it is written here.
pub(crate) fn ask(address: &str, request: &Base, host: &str) -> (u16, String, String) {
    let Base { line, headers, body } = request;
    let length = if line.starts_with("GET") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let text = format!(
        "{line} HTTP/1.1\r\n{}\r\nHost: {host}\r\nConnection: close\r\n{length}\r\n{body}",
        headers.join("\r\n")
    );
    timeless(&raw(address, text.as_bytes()).unwrap())
}

/// Rows of a question as text, sorted.
fn rows(file: &Path, sql: &str) -> Vec<String> {
    let db = rusqlite::Connection::open(file).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap()));
        Ok(cells.collect::<Vec<_>>().join(" "))
    };
    let mut rows: Vec<String> =
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap();
    rows.sort();
    rows
}

/// The cells of an edge file with their names: the numbers that stand for these are drawn.
fn edge_cells(file: &Path) -> Vec<String> {
    let (_, recovered) = EdgeFile::open(file, 1).unwrap();
    let name = |id: NameId| {
        let name = recovered.names.iter().find(|name| name.id == id);
        Ok::<_, ()>(name.map_or("(other)", |name| &name.text))
    };
    let rule = ReleaseRule { crowd: 1, admission: false };
    let plan = recovered.held.plan(rule, (Day(u32::MAX), true), |_, _| false);
    let cells = plan.leaving.iter();
    let mut cells: Vec<_> = cells
        .map(|(site, key, counts)| format!("{site:?} {:?} {counts:?}", key.try_map(name).unwrap()))
        .collect();
    cells.sort();
    cells
}

/// Everything that a data folder and its logs say after the stop. Hours are added up, so that the
/// comparison may run over the end of one.
pub(crate) fn remains(folder: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let data = folder.join("data");
    let mut found = BTreeMap::new();
    for (file, sql) in [
        (
            "counts.db",
            "SELECT site, sum(views), sum(visitors), sum(visits), sum(clicks) FROM site_counts GROUP BY 1",
        ),
        (
            "counts.db",
            "SELECT site, page, sum(views), sum(visitors), sum(visits) FROM page_counts GROUP BY 1, 2",
        ),
        ("counts.db", "SELECT site, page, target, sum(clicks) FROM click_counts GROUP BY 1, 2, 3"),
        ("counts.db", "SELECT * FROM attribute_counts"),
        ("counts.db", "SELECT * FROM refusal_counts"),
        ("counts.db", "SELECT text FROM names"),
        ("counts.db", "SELECT host FROM sites"),
        ("edge.db", "SELECT day, kind, text FROM names"),
        ("edge.db", "SELECT count(*) FROM journal"),
        ("edge.db", "SELECT count(*) FROM outbox"),
        ("edge.db", "SELECT host FROM sites"),
        ("control.db", "SELECT host FROM sites"),
    ] {
        found.insert(sql, rows(&data.join(file), sql));
    }
    found.insert("cells of the edge", edge_cells(&data.join("edge.db")));
    let log = std::fs::read_to_string(folder.join("up.log")).unwrap();
    found.insert("stderr", log.lines().map(str::to_owned).collect());
    found
}

/// The metrics without what measures time or this moment's connections.
pub(crate) fn metrics(server: &Server) -> Vec<String> {
    let passing = ["commit_seconds", "headcount_connections", "outbox"];
    let text = server.ask_ops("/metrics");
    let lasting = text.lines().filter(|line| !passing.iter().any(|word| line.contains(word)));
    let mut lines: Vec<String> = lasting.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_not_read_changes_nothing() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Attribute cells stay at the edge: when they leave would depend on the moment of a release.
    let [a, b] = [0, 1].map(|at: usize| Server::start(dirs[at].path(), "crowd = 1000\n", &[]));
    let (mut dice, mut other) = (Dice(20_261_121), Dice(4_711));
    let mut statuses = BTreeSet::new();
    for at in 0..REQUESTS {
        let plain = base(&mut dice);
        let (changed, host) = variant(&plain, &mut other);
        let answer = ask(&a.address, &plain, SITE);
        assert_eq!(
            ask(&b.address, &changed, &host),
            answer,
            "request {at}: {} {}",
            plain.line,
            plain.body
        );
        statuses.insert(answer.0);
    }
    assert!([200, 204, 400, 404].iter().all(|status| statuses.contains(status)), "{statuses:?}");
    // The last of either may still be on its way.
    until(PATIENCE, || metrics(&a) == metrics(&b));
    std::thread::sleep(SETTLING);
    assert_eq!(metrics(&a), metrics(&b));
    assert!(a.number("SELECT sum(views) FROM site_counts") > 5);
    assert!(a.number("SELECT sum(clicks) FROM site_counts") > 2);
    assert_eq!([a.stop(), b.stop()], [Some(0), Some(0)]);
    assert_eq!(remains(dirs[0].path()), remains(dirs[1].path()));
    assert!(remains(dirs[0].path())["stderr"].is_empty());
}

/// Pages of visits, each with a source of its own.
const VISITS: [&str; 12] = [
    "priser", "om", "kontakt", "nyheter", "blogg", "jobb", "press", "arkiv", "butik", "forum",
    "karta", "villkor",
];
/// Of twelve visits one stands right by chance, and more than seven once in a hundred thousand times.
const PAIRS_MAX: usize = 7;
/// What two orders of twelve have in common by chance, one time in half a million.
const CORRELATION_MAX: f64 = 0.95;

/// The place of each among all.
fn ranks<const N: usize>(values: [usize; N]) -> [usize; N] {
    values.map(|value| values.iter().filter(|other| **other < value).count())
}

/// Spearman's rank correlation: 1 for the same order, -1 for the other way round.
fn correlation(one: [usize; VISITS.len()], other: [usize; VISITS.len()]) -> f64 {
    let squares: usize = one.iter().zip(other).map(|(a, b)| a.abs_diff(b).pow(2)).sum();
    let n = VISITS.len();
    1.0 - 6.0 * squares as f64 / (n * (n * n - 1)) as f64
}

/// What the places of the visits' names tell of which belong together.
fn told_of_visits(place: impl Fn(&str) -> usize) -> Vec<&'static str> {
    let pages = VISITS.map(|visit| place(&format!("/{visit}")));
    let sources = VISITS.map(|visit| place(&format!("{visit}.example")));
    let all: Vec<usize> = [pages, sources].concat();
    let places = ranks::<{ 2 * VISITS.len() }>(all.try_into().unwrap());
    let beside =
        (0..VISITS.len()).filter(|at| places[*at].abs_diff(places[at + VISITS.len()]) == 1);
    let beside = beside.count();
    let (pages, sources) = (ranks(pages), ranks(sources));
    let alike = pages.iter().zip(&sources).filter(|(page, source)| page == source).count();
    let time = std::array::from_fn(|at| at);
    let follow = |one, other| correlation(one, other).abs() > CORRELATION_MAX;
    let told = [
        ("page beside source", beside > PAIRS_MAX),
        ("page like source", alike > PAIRS_MAX),
        ("pages and sources in one order", follow(pages, sources)),
        ("pages in the order of time", follow(pages, time)),
        ("sources in the order of time", follow(sources, time)),
    ];
    told.into_iter().filter(|(_, is_told)| *is_told).map(|(what, _)| what).collect()
}

/// Where few come a commit is one visit: nothing at rest may tell which names came together.
#[test]
fn what_rests_at_the_edge_tells_no_visit_apart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), PROXY, &[]);
    let edge = dir.path().join("data/edge.db");
    let log = dir.path().join("data/edge.db-wal");
    for visit in VISITS {
        let body =
            format!("{{\"s\":\"{SITE}\",\"p\":\"/{visit}\",\"r\":\"https://{visit}.example/\"}}");
        assert_eq!(server.hit(&body).unwrap().status, 204);
        let emptied = || std::fs::metadata(&log).unwrap().len() == 0;
        assert!(until(PATIENCE, emptied), "the log keeps the visit");
    }
    // The file is locked: a copy is what a backup or a thief has.
    let copy = dir.path().join("copy.db");
    std::fs::copy(&edge, &copy).unwrap();
    let db = rusqlite::Connection::open(&copy).unwrap();
    let mut query = db.prepare("SELECT text FROM names WHERE kind IN (0, 2) ORDER BY id").unwrap();
    let texts: Vec<String> =
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(texts.len(), 2 * VISITS.len(), "{texts:?}");
    let number = |name: &str| texts.iter().position(|text| text == name).unwrap();
    assert_eq!(told_of_visits(number), Vec::<&str>::new(), "{texts:?}");
    // Nor may the place of a name among the bytes.
    let told = || {
        let bytes = std::fs::read(&edge).unwrap();
        told_of_visits(|name| {
            bytes.windows(name.len()).position(|at| at == name.as_bytes()).unwrap_or_default()
        })
    };
    assert!(until(PATIENCE, || told().is_empty()), "{:?}", told());
    let journal: i64 = db.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(journal, 0);
    assert_eq!(server.stop(), Some(0));
}

/// The good requests: line, further headers, body, and whether it is counted.
fn good() -> Vec<(String, String, String, bool)> {
    let page = "/kund/kanariesida@post.example.se;sid=kanarieparam?namn=kanariefraga\
        &utm_source=kanariekalla@post.example.se&utm_medium=kanariemedium@post.example.se\
        &utm_campaign=kanariekampanj@post.example.se&utm_content=kanarieinnehall#kanarieankare";
    let hit = |rest: &str, headers: &str, counted| {
        let body = format!("{{\"s\":\"{SITE}\",\"p\":\"{page}\",\"kanariefalt\":1,{rest}}}");
        ("POST /hit".to_owned(), headers.to_owned(), body, counted)
    };
    let path = "https://example.net/kanarievag?q=kanariesokning";
    let mut requests = vec![
        hit(&format!("\"r\":\"{path}\""), "", true),
        hit("\"r\":\"https://kanarieanvandare@example.net/\"", "", true),
        hit("\"r\":\"https://kanariedoman.example.net/\"", "", true),
        hit("\"c\":\"https://example.net/kanariemal?sig=kanariesignatur\"", "", true),
        hit("\"c\":\"mailto:kanariebrev@example.se\"", "", true),
        hit("\"e\":\"kanariehandelse\"", "", true),
        hit("\"r\":\"\"", "DNT: 1\r\n", false),
        hit("\"r\":\"\"", "Origin: https://kanarieursprung.example.net\r\n", false),
    ];
    let pixel =
        format!("GET /p.gif?s={SITE}&p=%2Fkonto%2Fkanariebild%40post.example.se&kanarietillagg=1");
    requests.push((pixel, String::new(), String::new(), true));
    let referer = format!("Referer: https://{SITE}/konto/kanariesida@post.example.se\r\n");
    requests.push((format!("GET /p.gif?s={SITE}"), referer, String::new(), true));
    requests
}

/// Headers full of markers, with one of the addresses.
fn headers(address: &str) -> String {
    format!(
        "User-Agent: {CHROME} KanarieAgent/9.9\r\nX-Forwarded-For: {address}\r\n\
         Cookie: id=kanariekaka\r\nAccept-Language: sv-kanariesprak\r\n\
         Authorization: Bearer kanarienyckel\r\nIf-None-Match: \"kanarieetikett\"\r\n\
         Sec-CH-UA-Platform: \"kanarieplattform\"\r\nX-Note: kanariehuvud\r\n\
         X-Real-IP: {address}\r\nFrom: kanarienamn@post.example.se\r\n\
         X-Forwarded-Host: kanarievard.example\r\n"
    )
}

/// Asks what would be counted of a request full of markers; the answer is for its sender.
fn own(address: &str) -> Reply {
    let line = format!(
        "GET /privacy?s={SITE}&p=/kund/kanariesida@post.example.se;sid=kanarieparam\
         &r=https://kanariedoman.example.net/kanarievag&kanarietillagg=1"
    );
    let shown = send(address, &line, &headers("198.51.77.201"), "").unwrap();
    assert!(shown.status == 200 && shown.body.contains("<dd>Chrome</dd>"), "{}", shown.body);
    shown
}

/// Sends everything, good, broken, oversized and cut off; the number of hits that count.
pub(crate) fn tell_all(address: &str) -> u64 {
    let mut counted = 0;
    let padding = "x".repeat(5_000);
    for (line, more, body, counts) in good() {
        for visitor in ["198.51.77.201", V6] {
            let headers = headers(visitor) + &more;
            let status = send(address, &line, &headers, &body).unwrap().status;
            assert!(matches!(status, 200 | 204), "{status} {line}");
            counted += u64::from(counts);
            let long = format!("{line}?{padding}");
            let big = body.replacen("\"s\"", &format!("\"x\":\"{padding}\",\"s\""), 1);
            for (line, body) in [
                (line.as_str(), body.trim_end_matches('}').to_owned() + "\u{1}"),
                (
                    line.replace(SITE, "kanarievard.example").as_str(),
                    body.replace(SITE, "kanarievard.example"),
                ),
                (line.as_str(), big),
                (long.as_str(), body.clone()),
                ("PUT /kanariesida@post.example.se", body.clone()),
                ("POST /hit?kanariefraga", "kanariefalt".to_owned()),
            ] {
                if line.starts_with("GET /p.gif") && !line.contains(&padding) {
                    continue;
                }
                let reply = send(address, line, &headers, &body);
                assert!(reply.is_none_or(|reply| reply.status >= 400), "{line} {body}");
            }
            let whole = format!("{line} HTTP/1.1\r\nHost: kanarievard\r\n{headers}");
            let cut = format!("{whole}Content-Length: 900\r\n\r\n{body}");
            for text in [whole.as_str(), cut.as_str(), "kanariefalt\u{0}\r\n\r\n"] {
                if !line.starts_with("GET") {
                    let mut stream = std::net::TcpStream::connect(address).unwrap();
                    stream.write_all(text.as_bytes()).unwrap();
                }
            }
        }
        // As a peer that is no proxy.
        as_peer(
            "127.77.88.99",
            address,
            &format!(
                "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{}{more}\r\n{body}",
                body.len(),
                headers("203.0.113.9")
            ),
        );
        counted += u64::from(counts);
    }
    // Neither counted nor kept.
    own(address);
    counted
}

/// A request from an address of this machine; the answer is a good one.
#[expect(clippy::disallowed_types, reason = "the address of the test's own socket")]
pub(crate) fn as_peer(from: &str, address: &str, request: &str) {
    use std::io::Read as _;
    use std::net::SocketAddr;
    let kind = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let mut socket = socket2::Socket::new(kind.0, kind.1, None).unwrap();
    let from: SocketAddr = format!("{from}:0").parse().unwrap();
    let to: SocketAddr = address.parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer));
}

/// What an analyst and the operator see.
pub(crate) fn note_answers(found: &mut Found, (search, site): (&Search, &str), server: &Server) {
    note(found, search, "privacy", own(&server.address).body.as_bytes());
    let metrics = server.ask_ops("/metrics") + &server.ask_ops("/healthz");
    note(found, search, "metrics", metrics.as_bytes());
    let link = server.dashboard.trim_start_matches("http://").split_once('/').unwrap().1;
    let entered = server.send(&format!("GET /{link}"), "", "").unwrap();
    let cookie = entered.head.lines().find_map(|l| l.split_once("et-cookie: ")).unwrap().1;
    let cookie = cookie.split(';').next().unwrap();
    let session = format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n");
    let page = server.send(&format!("GET /?site={site}"), &session, "").unwrap();
    assert_eq!(page.status, 200);
    assert!(page.body.contains(site));
    note(found, search, "dashboard", page.body.as_bytes());
    for (by, dimension) in [
        ("page", "event:page"),
        ("target", "event:target"),
        ("source", "visit:source"),
        ("country", "visit:country"),
        ("browser", "visit:browser"),
        ("os", "visit:os"),
        ("device", "visit:device"),
        ("utm_source", "visit:utm_source"),
        ("utm_medium", "visit:utm_medium"),
        ("utm_campaign", "visit:utm_campaign"),
    ] {
        let export = format!("GET /api/v1/export.csv?site={site}&by={by}");
        let export = server.send(&export, &session, "").unwrap();
        let metric = if by == "target" { "clicks" } else { "pageviews" };
        let question = format!(
            "{{\"site_id\":\"{site}\",\"metrics\":[\"{metric}\"],\"date_range\":\"7d\",\"dimensions\":[\"{dimension}\"]}}"
        );
        let answer = server.send("POST /api/v2/query", &session, &question).unwrap();
        assert_eq!([export.status, answer.status], [200, 200], "{by} {}", answer.body);
        note(found, search, "export", export.body.as_bytes());
        note(found, search, "api", answer.body.as_bytes());
    }
}

/// Everything that a build lets through of the markers.
fn audit(binary: &Path) -> Found {
    let dir = tempfile::tempdir().unwrap();
    let proxy = PROXY.replace("127.0.0.0/8", "127.0.0.1/32");
    let settings = format!("crowd = 1\nk = 1\n{proxy}");
    let server = Server::start_binary(binary, dir.path(), &settings, &[]).unwrap();
    let (search, mut found) = (Search::new(), Found::new());
    let countable = tell_all(&server.address);
    note_files(&mut found, &search, dir.path());
    // The counters rose by what was countable: silence is not for want of hearing.
    let line = format!("headcount_hits_accepted_total {countable}\n");
    let metrics = server.ask_ops("/metrics");
    assert!(metrics.contains(&line), "{countable}: {metrics}");
    server
        .wait_for("SELECT sum(views + clicks) FROM site_counts", i64::try_from(countable).unwrap());
    std::thread::sleep(SETTLING);
    note_files(&mut found, &search, dir.path());
    note_answers(&mut found, (&search, SITE), &server);
    assert_eq!(server.stop(), Some(0));
    note_files(&mut found, &search, dir.path());
    found
}

#[test]
fn no_marker_is_found_anywhere() {
    let found = audit(Path::new(env!("CARGO_BIN_EXE_headcount")));
    assert_eq!(found, Found::new());
}

/// A build that keeps everything it is sent. What it has in common with the build that is tested is
/// not compiled again: the parts of both lie in one folder, only the binaries do not. (A cargo
/// before 1.91 does not know of such a folder and compiles everything.)
pub(crate) fn without_sanitiser() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let shared = exe.ancestors().nth(3).unwrap();
    let target = shared.join("identity");
    // What cargo told this test about its package would make the build scripts of others run again.
    let package = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| package(name)) {
        cargo.env_remove(name);
    }
    // The second feature is what tests make of tokio: without it ten more packages are compiled.
    let features = ["--features", "planted-leaks,tokio/test-util"];
    let built = cargo
        .args(["build", "--locked", "--bin", "headcount"])
        .args(features)
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_BUILD_BUILD_DIR", shared)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/headcount")
}

#[test]
fn a_build_without_the_sanitiser_is_caught() {
    let found = audit(&without_sanitiser());
    for marker in TEXTS {
        let places = found.get(marker).cloned().unwrap_or_default();
        assert!(places.iter().any(|place| place.contains("/data/")), "{marker}: {places:?}");
    }
}
