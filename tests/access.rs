//! Who may do what: every route of every listener with every kind of credential, networks, sessions,
//! and the log of what was done.
//!
//! What it is not: about numbers.
//!
//! What surprises: the table of routes is held against the source. A path that is written anywhere
//! in the rooms' routers and not here fails, so that nobody adds a route without saying who may ask.

#![expect(clippy::disallowed_types, reason = "the addresses of the test's own sockets")]

mod start_link;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use socket2::{Domain, Socket, Type};

use crate::server::{CHROME, PATIENCE, Reply, SITE, Server, headcount};

const OTHER: &str = "other.example";
const QUERY: &str =
    "{\"site_id\":\"example.org\",\"metrics\":[\"pageviews\"],\"date_range\":\"7d\"}";

/// Who asks, in the order of the tables.
const ROLES: [&str; 8] =
    ["nobody", "wrong token", "expired", "revoked", "other site", "viewer", "owner", "session"];

/// The analysts' routes: what each of [`ROLES`] gets.
const ANALYSTS: [(&str, [u16; 8]); 20] = [
    ("GET /", SESSION),
    ("GET /list?by=page", SESSION),
    ("POST /api/v2/query", TOKEN),
    ("GET /api/v2/openapi.json", [401, 401, 401, 401, 200, 200, 200, 200]),
    ("GET /api/v1/export.csv?site=example.org&by=page", TOKEN),
    ("GET /api/v1/export.json?site=example.org&by=page", TOKEN),
    ("GET /api/v1/export.csv?site=example.org&by=refused", TOKEN),
    ("GET /api/v1/export.json?site=example.org&by=refused", TOKEN),
    ("GET /share/TOKEN", [200; 8]),
    ("GET /share/TOKEN/list?by=page", [200; 8]),
    ("GET /share/TOKEN/export.csv?site=example.org&by=page", [200; 8]),
    ("GET /share/TOKEN/export.json?site=example.org&by=page", [200; 8]),
    ("GET /share/TOKEN/export.json?site=other.example&by=page", [404; 8]),
    ("GET /share/TOKEN/export.json?site=example.org&by=refused", [403; 8]),
    ("GET /share/REVOKED", [401; 8]),
    ("GET /signin", [401; 8]),
    ("POST /signin", [401; 8]),
    ("GET /assets/other.css", [404; 8]),
    ("GET /favicon.ico", [204; 8]),
    // Last: it ends the session.
    ("POST /signout", [303; 8]),
];
const SESSION: [u16; 8] = [401, 401, 401, 401, 401, 401, 401, 200];
const TOKEN: [u16; 8] = [401, 401, 401, 401, 404, 200, 200, 200];

/// The visitors' routes, which are the same for all. Other tools' want bodies of their own; here they
/// only have to answer everybody alike.
const VISITORS: [(&str, u16); 13] = [
    ("GET /p.gif?s=example.org&p=/a", 200),
    ("POST /hit", 204),
    ("GET /headcount.js", 200),
    ("GET /headcount.0000000000000000.js", 404),
    ("GET /privacy", 200),
    ("GET /privacy.css", 200),
    ("GET /.well-known/headcount.json", 200),
    ("GET /demo", 404),
    ("POST /api/event", 400),
    ("POST /api/send", 400),
    ("GET /count?p=/a", 200),
    ("GET /matomo.php?rec=1&url=https://example.org/a", 200),
    ("GET /piwik.php?rec=1&url=https://example.org/a", 200),
];

/// The operators' routes, which ask for no credential: they have a port and networks of their own.
const OPERATORS: [(&str, u16); 4] =
    [("GET /healthz", 200), ("GET /readyz", 200), ("GET /metrics", 200), ("GET /", 404)];

/// Where routes are written, and what must be left out there because it is no path of ours.
const ROUTERS: [(&str, &[&str]); 9] = [
    ("crates/stats/src/router.rs", &[]),
    ("crates/headcount/src/ops.rs", &[]),
    ("crates/headcount/src/up.rs", &[]),
    ("crates/headcount/src/collect.rs", &[]),
    ("crates/headcount/src/serve.rs", &[]),
    ("crates/headcount/src/notice/page.rs", &[]),
    ("crates/collector/src/http.rs", &[]),
    ("crates/collector/src/judge/preview.rs", &[]),
    ("crates/collector/src/compat.rs", &["//"]),
];

/// A made token: its text, without the path before it.
fn made(folder: &Path, args: &[&str]) -> String {
    let output = headcount(folder, &[&["token", "add", "--site"], args].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().trim_start_matches("/share/").to_owned()
}

fn done(folder: &Path, args: &[&str]) -> String {
    let output = headcount(folder, args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A server for two sites, and a token of each kind.
struct Desk {
    folder: tempfile::TempDir,
    server: Server,
    viewer: String,
    owner: String,
    other: String,
    expired: String,
    revoked: String,
    share: String,
}

impl Desk {
    fn open(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for site in [SITE, OTHER] {
            done(path, &["site", "add", site]);
        }
        let viewer = made(path, &[SITE]);
        let owner = made(path, &[SITE, "--role", "owner"]);
        let other = made(path, &[OTHER, "--role", "owner"]);
        let expired = made(path, &[SITE, "--role", "owner", "--expires", "1d"]);
        let revoked = made(path, &[SITE, "--role", "owner"]);
        let share = made(path, &[SITE, "--share"]);
        done(path, &["token", "revoke", "5"]);
        let conn = rusqlite::Connection::open(path.join("data/control.db")).unwrap();
        conn.execute("UPDATE tokens SET expires_at = unixepoch() - 60 WHERE id = 4", []).unwrap();
        drop(conn);
        let settings =
            format!("compat = [\"plausible\", \"umami\", \"goatcounter\", \"matomo\"]\n{settings}");
        let mut server = Server::start(path, &settings, &[]);
        // Where visitors are, wherever the dashboard is.
        server.address = server.visitors();
        Self { folder, server, viewer, owner, other, expired, revoked, share }
    }

    /// What somebody sends along.
    fn headers(&self, role: &str) -> String {
        let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
        match role {
            "nobody" => String::new(),
            "wrong token" => bearer("hc_"),
            "expired" => bearer(&self.expired),
            "revoked" => bearer(&self.revoked),
            "other site" => bearer(&self.other),
            "viewer" => bearer(&self.viewer),
            "owner" => bearer(&self.owner),
            _ => {
                let code = self.server.dashboard.split_once("/signin").unwrap().1;
                let reply = self.server.send(&format!("GET /signin{code}"), "", "").unwrap();
                format!("Cookie: {}\r\nSec-Fetch-Site: same-origin\r\n", cookie(&reply))
            }
        }
    }
}

/// The cookie that an answer sets.
pub(crate) fn cookie(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{}", reply.body);
    let line = reply.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(line.contains("; HttpOnly; SameSite=Strict; Max-Age="), "{line}");
    line.split(';').next().unwrap().to_owned()
}

/// A connection from another address of this machine.
pub(crate) fn connect(source: &str, address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&format!("{source}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// A question from another address of this machine.
pub(crate) fn from(source: &str, address: &str, line: &str, headers: &str) -> Reply {
    let mut stream = connect(source, address);
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

/// Each question comes from a network of its own, so that none waits for wrong tries of another.
const PROXY: &str =
    "trusted_proxies = [\"127.0.0.1\"]\nclient_address_header = \"X-Forwarded-For\"";

#[test]
fn every_route_opens_to_whom_the_table_says() {
    let desk = Desk::open(PROXY);
    for (column, role) in ROLES.iter().enumerate() {
        let credential = desk.headers(role);
        for (row, (line, statuses)) in ANALYSTS.iter().enumerate() {
            let headers = format!("{credential}X-Forwarded-For: 10.{column}.{row}.1\r\n");
            let line = line.replace("TOKEN", &desk.share).replace("REVOKED", &desk.revoked);
            let reply = desk.server.send(&line, &headers, QUERY).unwrap();
            assert_eq!(reply.status, statuses[column], "{line} by {role}: {}", reply.body);
            if [401, 403, 404].contains(&reply.status) {
                assert!(!reply.body.contains(SITE), "{line} by {role}: {}", reply.body);
            }
        }
        for (line, status) in VISITORS {
            let headers = format!("{credential}User-Agent: {CHROME}\r\nOrigin: https://{SITE}\r\n");
            let body = "{\"s\":\"example.org\",\"p\":\"/a\"}";
            let reply = desk.server.send(line, &headers, body).unwrap();
            assert_eq!(reply.status, status, "{line} by {role}: {}", reply.body);
            assert!(!reply.head.to_ascii_lowercase().contains("set-cookie"), "{line} by {role}");
        }
        for (line, status) in OPERATORS {
            let reply = crate::server::ask(&desk.server.ops, line, &credential, "").unwrap();
            assert_eq!(reply.status, status, "{line} by {role}");
            // Through a proxy everybody would be this machine.
            let headers = format!("{credential}X-Forwarded-For: 127.0.0.1\r\n");
            let reply = crate::server::ask(&desk.server.ops, line, &headers, "").unwrap();
            assert_eq!(reply.status, 403, "{line} by {role} through a proxy");
        }
    }
    // Unknown, expired and revoked ones get the same bytes.
    let line = "GET /api/v2/openapi.json";
    let bodies: BTreeSet<String> = ["wrong token", "expired", "revoked"]
        .iter()
        .map(|role| desk.server.send(line, &desk.headers(role), "").unwrap().body)
        .collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(bodies.first().unwrap().contains("revoked or expired"), "{bodies:?}");
}

/// Every text of a source that begins with a slash and could be a path.
fn paths_in(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    code.split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with('/') && !text.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_route_in_the_source_is_in_a_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path_of = |line: &str| {
        let path = line.split_once(' ').unwrap().1.split('?').next().unwrap().to_owned();
        path.replace("TOKEN", "{token}").replace("other.css", "{name}")
    };
    let known: BTreeSet<String> = ANALYSTS
        .iter()
        .map(|row| path_of(row.0))
        .chain(VISITORS.iter().map(|row| path_of(row.0)))
        .chain(OPERATORS.iter().map(|row| path_of(row.0)))
        .collect();
    let mut found = 0;
    for (file, others) in ROUTERS {
        for path in paths_in(&std::fs::read_to_string(root.join(file)).unwrap()) {
            if !others.contains(&path.as_str()) {
                assert!(known.contains(&path), "{file}: {path} is in no table of tests/access.rs");
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}: the sources have moved");
}

#[test]
fn only_the_named_networks_may_ask() {
    let networks = "analyst_networks = [\"127.0.0.2\", \"192.0.2.0/24\"]\n\
                    ops_networks = [\"127.0.0.3/32\"]";
    let desk = Desk::open(networks);
    let (here, ops) = (&desk.server.address, &desk.server.ops);
    let owner = desk.headers("owner");
    for (source, analysts, operators) in
        [("127.0.0.1", 403, 403), ("127.0.0.2", 200, 403), ("127.0.0.3", 403, 200)]
    {
        for line in ["GET /api/v2/openapi.json", "GET /share/TOKEN"] {
            let line = line.replace("TOKEN", &desk.share);
            let reply = from(source, here, &line, &owner);
            assert_eq!(reply.status, analysts, "{line} from {source}");
            if analysts == 403 {
                assert_eq!(reply.body, "this network may not ask here\n");
            }
        }
        // A proxy that is not trusted may write what it likes.
        let lied = format!("{owner}X-Forwarded-For: 127.0.0.2\r\n");
        assert_eq!(from(source, here, "GET /api/v2/openapi.json", &lied).status, analysts);
        for line in ["GET /healthz", "GET /metrics"] {
            assert_eq!(from(source, ops, line, "").status, operators, "{line} from {source}");
        }
        // Visitors may come from anywhere.
        let agent = format!("User-Agent: {CHROME}\r\n");
        assert_eq!(from(source, here, "GET /p.gif?s=example.org&p=/a", &agent).status, 200);
        assert_eq!(from(source, here, "GET /headcount.js", "").status, 200);
    }
}

#[test]
fn a_proxy_of_ours_says_who_asks_on_either_listener() {
    for apart in ["", "stats_listen = \"127.0.0.2:0\""] {
        let desk = Desk::open(&format!("{PROXY}\nanalyst_networks = [\"192.0.2.0/24\"]\n{apart}"));
        let link = desk.server.dashboard.strip_prefix("http://").unwrap();
        let here = link.split('/').next().unwrap();
        assert_eq!(here == desk.server.address, apart.is_empty());
        for (source, header, status) in [
            ("127.0.0.1", "X-Forwarded-For: 192.0.2.7\r\n", 200),
            ("127.0.0.1", "X-Forwarded-For: 198.51.100.7, 192.0.2.7\r\n", 200),
            ("127.0.0.1", "X-Forwarded-For: 192.0.2.7, 198.51.100.7\r\n", 403),
            ("127.0.0.1", "X-Forwarded-For: rubbish\r\n", 403),
            ("127.0.0.1", "", 403),
            ("127.0.0.2", "X-Forwarded-For: 192.0.2.7\r\n", 403),
        ] {
            let headers = format!("{}{header}", desk.headers("owner"));
            let reply = from(source, here, "GET /api/v2/openapi.json", &headers);
            assert_eq!(reply.status, status, "{source} {header} {apart}");
        }
    }
}

#[test]
fn wrong_tokens_of_one_network_wait_and_others_do_not() {
    let desk = Desk::open(PROXY);
    let ask = |network: &str, role: &str| {
        let headers = format!("{}X-Forwarded-For: {network}\r\n", desk.headers(role));
        desk.server.send("GET /api/v2/openapi.json", &headers, "").unwrap()
    };
    assert_eq!(ask("192.0.2.1", "viewer").status, 200);
    let mut statuses = BTreeSet::new();
    for _ in 0..30 {
        let reply = ask("192.0.2.9", "expired");
        assert_eq!(reply.status == 429, reply.head.contains("retry-after: 60"));
        statuses.insert(reply.status);
    }
    assert_eq!(statuses, [401, 429].into());
    assert_eq!(ask("192.0.2.9", "owner").status, 429, "not seen before");
    assert_eq!(ask("192.0.2.9", "viewer").status, 200, "who works already goes on");
    assert_eq!(ask("198.51.100.9", "owner").status, 200, "another network");
}

#[test]
fn sessions_begin_by_link_once_and_end_by_command() {
    let desk = Desk::open("stats_url = \"https://count.example.org/\"");
    let folder = desk.folder.path();
    let config = folder.join("headcount.toml");
    let config = config.to_str().unwrap();
    assert!(desk.server.dashboard.starts_with("https://count.example.org/signin?code="));
    let said = done(folder, &["signin", "--site", SITE, "--config", config]);
    let link = said.lines().next().unwrap();
    let path = link.strip_prefix("https://count.example.org").unwrap();
    let page = desk.server.send(&format!("GET {path}"), "", "").unwrap();
    assert!(page.status == 200 && !page.head.contains("set-cookie"), "{}", page.head);
    let reply = desk.server.send(&format!("POST {path}"), "", "").unwrap();
    let session = cookie(&reply);
    assert!(session.starts_with("__Host-headcount_session=") && reply.head.contains("; Secure"));
    let headers = format!("Cookie: {session}\r\n");
    let looks = || desk.server.send("GET /?site=example.org", &headers, "").unwrap();
    let shown = looks();
    assert!(shown.status == 200 && shown.body.contains("Not counted"), "a viewer's");
    assert!(shown.body.contains("https://count.example.org/headcount."), "what its pages need");
    assert_eq!(desk.server.send("GET /?site=other.example", &headers, "").unwrap().status, 404);
    assert_eq!(desk.server.send(&format!("POST {path}"), "", "").unwrap().status, 401, "twice");
    let listed = done(folder, &["token", "list"]);
    assert!(listed.contains("\tlink\tviewer\t") && listed.contains("\tused\t"), "{listed}");
    done(folder, &["token", "revoke", "7"]);
    assert_eq!(looks().status, 401);
}

#[test]
fn the_list_says_what_each_token_is() {
    let desk = Desk::open("");
    let folder = desk.folder.path();
    made(folder, &[SITE, "--expires", "3650d", "--name", "monthly report"]);
    desk.server.send("GET /api/v2/openapi.json", &desk.headers("viewer"), "").unwrap();
    let listed = done(folder, &["token", "list"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 9), "{listed}");
    let column =
        |row: usize, name: &str| rows[row][rows[0].iter().position(|head| *head == name).unwrap()];
    let states: Vec<&str> = (1..=7).map(|row| column(row, "state")).collect();
    assert_eq!(states, ["valid", "valid", "valid", "expired", "revoked", "valid", "valid"]);
    assert_eq!((column(1, "expires"), column(7, "name")), ("never", "monthly report"));
    assert_eq!((column(1, "used") == "-", column(2, "used")), (false, "-"));
    assert!(!listed.contains("hc_"));
    for (args, expect) in [
        (["--expires", "yesterday"], "--expires yesterday: a number of days such as 90d"),
        (["--name", "a\nb"], "--name: one line"),
        (["--role", "admin"], "viewer"),
    ] {
        let output = headcount(folder, &[&["token", "add", "--site", SITE], &args[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(64) && said.contains(expect), "{said}");
    }
}

#[test]
fn what_was_done_is_in_the_log_and_no_change_of_it_stays_unseen() {
    let desk = Desk::open("");
    let folder = desk.folder.path();
    let code = desk.server.dashboard.split_once("/signin").unwrap().1;
    cookie(&desk.server.send(&format!("GET /signin{code}"), "", "").unwrap());
    done(folder, &["signin"]);
    done(folder, &["site", "erase", OTHER]);
    let log = done(folder, &["admin-log"]);
    let acts: Vec<(&str, &str)> = log
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|fields| (fields[2].split(' ').next().unwrap(), fields[3]))
        .collect();
    let expect = [
        ("user", "site-add"),
        ("user", "site-add"),
        ("user", "token-add"),
        ("user", "token-add"),
        ("user", "token-add"),
        ("user", "token-add"),
        ("user", "token-add"),
        ("user", "token-add"),
        ("user", "token-revoke"),
        ("user", "settings"),
        ("headcount", "token-expire"),
        ("start", "sign-in"),
        ("user", "link-add"),
        ("user", "site-erase"),
        ("headcount", "site-erased"),
    ];
    assert_eq!(acts, expect, "{log}");
    let secrets = [&desk.viewer, &desk.owner, &desk.share, &code.to_owned()];
    assert!(!secrets.iter().any(|secret| log.contains(secret.as_str())));
    let head = done(folder, &["admin-log", "head"]);
    let verify = |args: &[&str]| headcount(folder, &[&["admin-log", "verify"], args].concat());
    assert!(verify(&["--head", head.trim()]).status.success());
    let json = done(folder, &["admin-log", "list", "--format", "json"]);
    assert_eq!(json.matches("\"seq\"").count(), expect.len());
    // A start with the same settings is no entry, one with others is.
    let settings = |desk: Desk, text: &str| {
        desk.server.stop();
        let compat = "compat = [\"plausible\", \"umami\", \"goatcounter\", \"matomo\"]\n";
        let server = Server::start(desk.folder.path(), &format!("{compat}{text}"), &[]);
        let log = done(desk.folder.path(), &["admin-log"]);
        (Desk { server, ..desk }, log.matches("\tsettings\t").count())
    };
    let (desk, same) = settings(desk, "");
    let (desk, other) = settings(desk, "k = 7");
    assert_eq!((same, other), (1, 2));
    let folder = desk.folder.path();
    let conn = rusqlite::Connection::open(folder.join("data/control.db")).unwrap();
    conn.execute("UPDATE admin_log SET who = 'user nobody' WHERE seq = 14", []).unwrap();
    let output = headcount(folder, &["admin-log", "verify"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("entry 14"), "{said}");
}

#[test]
fn a_wrong_kept_hash_is_refused_with_what_is_right() {
    let desk = Desk::open("");
    let folder = desk.folder.path();
    let output = headcount(folder, &["admin-log", "verify", "--head", "abc"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(64) && said.contains("64 hexadecimal digits"), "{said}");
    let output = headcount(folder, &["admin-log", "verify", "--head", &"7".repeat(64)]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("no entry has the hash"), "{said}");
}
