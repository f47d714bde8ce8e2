//! Two hundred attacks as names, on both ways in: sent by a visitor, and written past the edge.
//!
//! What it is not: a test of the text policy. What the policy keeps of an attack is shown as text;
//! were it to keep all, the page alone would still have to hold, and that is the other test.
//!
//! What surprises: a declared event may be called `javascript:alert`, which is a name like any
//! other.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::worlds;
use crate::browser::{CHROMIUM, Found, NODE, program};
use crate::server::{CHROME, Deployment as _, PATIENCE, Reply, Server, headcount};
use crate::until::until;

/// The site whose names are attacks.
pub(crate) const SITE: &str = "hostile.example";
/// An event that its owner declared, and a browser might take for a link that runs.
const EVENT: &str = "javascript:alert";
/// Attacks: each is a page, a source, a click target, an event and every campaign value.
const ATTACKS: usize = 200;
/// Views of the pages that a shared link shows: above the threshold of 10.
const SHARED_VIEWS: usize = 12;
/// What is sent of each attack and counted: see [`send`].
const VIEWS: usize = 3;
const CLICKS: usize = 4;
/// Senders at once.
const SENDERS: usize = 8;
/// What a payload tries to run.
const ACTIONS: [&str; 8] = [
    "alert(1)",
    "window.hacked=1",
    "document.title='hacked'",
    "location='//evil.example'",
    "fetch('//evil.example')",
    "(()=>{throw 1})()",
    "console.error(1)",
    "document.body.append('hacked')",
];
/// Where it tries to run it; `@` is the action.
const PLACES: [&str; 25] = [
    "<script>@</script>",
    "\"><script>@</script>",
    "'><script>@</script>",
    "</title><script>@</script>",
    "</textarea><script>@</script>",
    "</svg><script>@</script>",
    "</style><script>@</script>",
    "<!--><script>@</script>-->",
    "<img src=x onerror=@>",
    "\"><img src=x onerror=@>",
    "<svg onload=@>",
    "<svg><script>@</script></svg>",
    "<svg><animate onbegin=@ attributeName=x dur=1s>",
    "<details open ontoggle=@>",
    "<input autofocus onfocus=@>",
    "\" autofocus onfocus=\"@",
    "\" onmouseover=\"@",
    "' onmouseover='@",
    "javascript:@",
    "vbscript:@",
    "data:text/html,<script>@</script>",
    "<iframe srcdoc=\"<script>@</script>\">",
    "<a href=javascript:@>x</a>",
    "<form action=javascript:@><button>x",
    "<math><mtext><style><img src=x onerror=@>",
];

/// Two hundred attacks; first each place with the first action.
pub(crate) fn attacks() -> Vec<String> {
    ACTIONS.iter().flat_map(|action| PLACES.map(|place| place.replace('@', action))).collect()
}

/// Every byte as an escape: whatever it is, it arrives.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn link(folder: &Path) -> String {
    let share = headcount(folder, &["token", "add", "--site", SITE, "--share"]);
    String::from_utf8(share.stdout).unwrap().trim().to_owned()
}

/// Sends one attack in every field that there is: [`VIEWS`] views and [`CLICKS`] clicks, each of
/// another visitor, so that nothing waits for a crowd.
fn send(server: &Server, attack: &str, number: usize) {
    let mut visitors = (number * 16..).map(|at| format!("81.{}.{}.1", at / 256, at % 256));
    let mut told_nothing = |line: &str, body: Value, right: &[u16]| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        visit(server, &visitors.next().unwrap(), (line, &body), (attack, right));
    };
    let text = escaped(attack);
    let page = format!("https://{SITE}/{attack}");
    let campaign = format!("utm_source={text}&utm_medium={attack}&utm_campaign={text}");
    let here = format!("https://{SITE}/");
    for body in [
        json!({ "s": SITE, "p": format!("{page}?{campaign}"), "r": attack }),
        json!({ "s": SITE, "p": here, "c": attack }),
        json!({ "s": SITE, "p": page, "e": attack }),
    ] {
        told_nothing("POST /hit", body, &[204]);
    }
    let from = escaped(&format!("https://{attack}.example/"));
    let pixel = format!("GET /p.gif?s={SITE}&p=%2F{text}%3F{}&r={from}", escaped(&campaign));
    told_nothing(&pixel, Value::Null, &[200]);
    let target = json!({ "url": format!("https://{SITE}/{attack}") });
    for body in [
        json!({ "n": "pageview", "d": SITE, "u": page, "r": format!("//{attack}") }),
        json!({ "n": "Outbound Link: Click", "d": SITE, "u": here, "p": target }),
        json!({ "n": attack, "d": SITE, "u": attack }),
    ] {
        told_nothing("POST /api/event", body, &[202]);
    }
    // Nobody's site, so there is nothing to count.
    told_nothing("POST /hit", json!({ "s": attack, "p": "/" }), &[400, 403, 404]);
    told_nothing(&format!("GET /{text}"), Value::Null, &[404]);
}

/// Sends one request as this visitor. The answer has a status that is right, and repeats nothing.
fn visit(
    server: &Server,
    address: &str,
    (line, body): (&str, &str),
    (attack, right): (&str, &[u16]),
) {
    let headers = format!("User-Agent: {CHROME}\r\nX-Forwarded-For: {address}\r\n");
    let Reply { status, body, .. } = server.send(line, &headers, body).unwrap();
    assert!(right.contains(&status), "{attack}: {status} {body}");
    assert!(!body.contains(attack), "{attack}: {body}");
}

/// Every name that is stored of the site, by the list that shows it.
fn stored(server: &Server) -> BTreeMap<String, Vec<String>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let file = server.data().join("counts.db");
    let db = rusqlite::Connection::open_with_flags(file, flags).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    let sql = "SELECT DISTINCT 'page', page FROM page_counts WHERE site = ?1
        UNION SELECT 'target', target FROM click_counts WHERE site = ?1
        UNION SELECT attribute, value FROM attribute_counts WHERE site = ?1";
    let mut statement = db.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rows = statement.query_map([SITE], row).unwrap().map(Result::unwrap);
    let mut names = BTreeMap::<String, Vec<String>>::new();
    for (by, name) in rows {
        names.entry(by).or_default().push(name);
    }
    // Shown with a name of its own.
    names.remove("country");
    names
}

/// Looks at everything that shows these names.
fn look(server: &Server, folder: &Path, names: &Value) {
    let file = folder.join("names.json");
    std::fs::write(&file, json!({ "attacks": attacks(), "names": names }).to_string()).unwrap();
    let output = Command::new(program(NODE))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/hostile.mjs"))
        .arg(program(CHROMIUM))
        .arg(folder.join("profile"))
        .args([&server.dashboard, &link(folder), SITE])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let found = Found(said);
    assert_eq!(found.of("control"), "true", "an attack that works is seen");
    assert_eq!(found.of("changed"), "", "pages whose window was changed");
    assert_eq!(found.of("troubles"), "", "dialogs, console, exceptions, policy");
    assert_eq!(found.of("foreign"), "", "requests to other origins");
    assert_eq!(found.of("unseen"), "", "names that no list shows as text");
    assert_eq!(found.of("unwritten"), "", "names that no export has");
    assert_eq!(found.of("files"), "true", "exports are saved and never shown");
    let shared: usize = found.of("shared").parse().unwrap();
    assert!(shared >= 10, "{shared} names in the shared view");
}

#[test]
fn attacks_that_a_visitor_sends_do_nothing_and_what_is_kept_of_them_is_text() {
    let dir = tempfile::tempdir().unwrap();
    let settings = format!(
        "compat = [\"plausible\"]\ncrowd = 1\nk = 1\ntrusted_proxies = [\"127.0.0.1/32\"]\n\
         client_address_header = \"X-Forwarded-For\"\n[limits]\nhits_per_prefix_per_minute = 0\n\
         [[sites]]\nhost = \"{SITE}\"\nevents = [\"{EVENT}\"]\n"
    );
    let server = Server::start(dir.path(), &settings, &[]);
    let attacks = attacks();
    assert_eq!(attacks.len(), ATTACKS);
    let numbered: Vec<(usize, &String)> = attacks.iter().enumerate().collect();
    std::thread::scope(|scope| {
        for part in numbered.chunks(ATTACKS.div_ceil(SENDERS)) {
            let server = &server;
            scope.spawn(move || part.iter().for_each(|(at, attack)| send(server, attack, *at)));
        }
    });
    let again =
        |body: Value| visit(&server, "83.1.1.1", ("POST /hit", &body.to_string()), (EVENT, &[204]));
    again(json!({ "s": SITE, "p": "/", "e": EVENT }));
    for attack in attacks.iter().take(PLACES.len()) {
        let body = json!({ "s": SITE, "p": format!("https://{SITE}/{attack}") });
        (0..SHARED_VIEWS).for_each(|_| again(body.clone()));
    }
    let views = i64::try_from(ATTACKS * VIEWS + PLACES.len() * SHARED_VIEWS).unwrap();
    let clicks = i64::try_from(ATTACKS * CLICKS + 1).unwrap();
    server.wait_for("SELECT sum(views) FROM page_counts", views);
    server.wait_for("SELECT sum(clicks) FROM click_counts", clicks);
    let attribute =
        |name| format!("SELECT sum(views) FROM attribute_counts WHERE attribute = '{name}'");
    let sent = i64::try_from(ATTACKS * VIEWS).unwrap();
    for name in ["source", "utm_campaign"] {
        let came = until(PATIENCE, || server.number(&attribute(name)) >= sent);
        assert!(came, "{name}: {}", server.number(&attribute(name)));
    }
    let names = stored(&server);
    // The edge lets nothing through that could be markup at all, but leaves words as they are.
    let raw = names.values().flatten().find(|name| name.contains(['<', '>', '"']));
    assert_eq!(raw, None);
    for (by, word) in [("page", "alert(1)"), ("target", "alert(1)"), ("target", EVENT)] {
        assert!(names[by].iter().any(|name| name.contains(word)), "{by}: {:?}", names[by]);
    }
    look(&server, dir.path(), &json!(names));
}

#[test]
fn attacks_that_are_stored_past_the_edge_do_nothing() {
    let dir = tempfile::tempdir().unwrap();
    worlds::fill_hostile(&dir.path().join("data"));
    assert!(headcount(dir.path(), &["site", "add", SITE]).status.success());
    let server = Server::start(dir.path(), "", &[]);
    let line = format!("GET /?site={SITE}");
    let known = || server.send(&line, "", "").is_some_and(|reply| reply.status != 404);
    assert!(until(PATIENCE, known), "the site is not known");
    let names: BTreeMap<&str, Vec<String>> = [
        "page",
        "target",
        "source",
        "device",
        "browser",
        "os",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "country",
    ]
    .map(|by| (by, attacks()))
    .into();
    look(&server, dir.path(), &json!(names));
}
