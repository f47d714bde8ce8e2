//! `headcount audit`: passes on what is shipped, and finds each planted leak in its place.
//!
//! What it is not: a second search. Where markers are found is read from its report.
//!
//! What surprises: one build has all leaks; the environment of the process that is audited says
//! which one. The audit itself is always the shipped binary.

pub(crate) mod begun;
pub(crate) mod gate;
mod midnight;
mod outage;

use std::path::Path;
use std::process::Command;

use headcount_audit::report::{Report, Status, Verdict};

use self::begun::Begun;
use crate::import::traffic;
use crate::memory::{NOBODY, of_nobody};
use crate::privacy::without_sanitiser;
use crate::server::{CHROME, Deployment as _, SITE, Server, headcount, number_in};

/// Leaks of one process, and the artefact that the report must name.
const PLANTED: [(&str, &str); 12] = [
    ("log", "log"),
    ("panic", "log"),
    ("metric", "metrics and health"),
    ("error-answer", "answers to visitors"),
    ("answer-header", "answers to visitors"),
    ("edge-file", "edge file"),
    ("store", "store"),
    ("admin-log", "control file"),
    ("backup", "other files of the data folder"),
    ("export", "exports"),
    ("api", "API and dashboard"),
    ("deleted-file", "open files of the processes"),
];
/// What no build reads, so that only a log of whole requests shows that it would be found.
const IN_HEADERS: [&str; 7] = [
    "address: IPv4 in headers",
    "address: IPv6 in headers",
    "Cookie",
    "User-Agent",
    "Authorization",
    "client hints",
    "another header",
];

/// What only an owner knows, so that there is a notice.
pub(crate) const OWNER: &str = "crowd = 4\n[notice]\ntracker = \"script\"\ncontroller = \"Exempel AB\"\n\
    contact = \"data@exempel.se\"\nauthority = \"IMY\"\nstorage_en = \"Sweden\"\n\
    legal_ground_en = \"legitimate interest\"\n";

/// Audits that run at once.
const AT_ONCE: usize = 4;

/// How an audit ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) report: Report,
    pub(crate) said: String,
}

/// Audits what runs on a folder. The report's files stay in `folder`, `audit.json` among them.
pub(crate) fn audit(binary: &Path, folder: &Path, args: &[&str]) -> Ended {
    Begun::new(binary, folder, args, &[]).end()
}

/// Audits one process that runs on `folder`.
fn audit_up(binary: &Path, (server, folder): (&Server, &Path), more: &[&str]) -> Ended {
    let args = args_up((server, folder), &server.address);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    audit(binary, folder, &args)
}

/// What an audit of one process is told: its data, where it answers, its log.
fn args_up((server, folder): (&Server, &Path), listen: &str) -> Vec<String> {
    let at = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let (log, out) = (at(folder.join("up.log")), at(folder.join("up.out")));
    let mut args = vec!["--data".to_owned(), at(server.data()), "--listen".to_owned()];
    args.extend([listen, "--stats-listen", &server.address].map(str::to_owned));
    args.extend(["--ops-listen", &server.ops, "--log", &log, "--log", &out].map(str::to_owned));
    args
}

pub(crate) fn shipped() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_headcount"))
}

/// Fails unless everything was examined and nothing was found. Only root may look into a process.
pub(crate) fn assert_passed(ended: &Ended) {
    let Ended { code, report, said } = ended;
    for artefact in &report.artefacts {
        let is_right = matches!(artefact.status, Status::Passed | Status::NotApplicable);
        assert!(is_right, "{artefact:#?}\nas root (sudo -E tests/run)?\n{said}");
    }
    assert_eq!((report.verdict, *code), (Verdict::Passed, Some(0)), "{said}");
    assert!(report.controls.iter().all(|control| control.status != Status::Failed), "{said}");
    assert!(report.requests.iter().all(|sent| sent.unexpected == 0), "{:?}", report.requests);
}

/// What became of a sentence of the notice.
pub(crate) fn claim(report: &Report, id: &str) -> Status {
    report.evidence.claims.iter().find(|claim| claim.id == id).unwrap().status
}

/// What became of a check besides the search.
pub(crate) fn check(report: &Report, name: &str) -> Status {
    report.evidence.checks.iter().find(|check| check.name == name).unwrap().status
}

/// Fails unless a build that keeps what it is sent was caught: each marker found, and these places named.
pub(crate) fn assert_caught(ended: &Ended, places: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert_eq!(ended.report.unseen(), Vec::<&str>::new(), "{}", ended.said);
    for place in places {
        assert!(leaky(&ended.report).contains(place), "{place}: {}", ended.said);
    }
}

/// The names of the artefacts in which something was found.
pub(crate) fn leaky(report: &Report) -> Vec<&str> {
    let failed = report.artefacts.iter().filter(|it| it.status == Status::Failed);
    failed.map(|artefact| artefact.name.as_str()).collect()
}

/// The channels whose markers were found in an artefact.
fn channels<'r>(report: &'r Report, place: &str) -> Vec<&'r str> {
    let artefacts = report.artefacts.iter().filter(|artefact| artefact.name == place);
    artefacts.flat_map(|artefact| &artefact.findings).map(|it| it.channel.as_str()).collect()
}

#[test]
fn the_shipped_build_passes_twice_with_one_hash_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // As a service is: another user's, while the audit is root's.
    let binary = of_nobody(dir.path(), "");
    let server = Server::start_binary(&binary, dir.path(), "", &[]).unwrap();
    assert_eq!(server.hit(&format!("{{\"s\":\"{SITE}\",\"p\":\"/\"}}")).unwrap().status, 204);
    server.wait_for("SELECT sum(views) FROM page_counts", 1);
    let first = audit_up(shipped(), (&server, dir.path()), &[]);
    assert_passed(&first);
    let again = audit_up(shipped(), (&server, dir.path()), &[]);
    assert_passed(&again);
    assert_eq!(first.report.hash, again.report.hash);
    for entry in std::fs::read_dir(server.data()).unwrap() {
        use std::os::unix::fs::MetadataExt as _;
        use std::os::unix::fs::PermissionsExt as _;
        let (name, found) = entry.map(|it| (it.file_name(), it.metadata().unwrap())).unwrap();
        assert_eq!(found.permissions().mode() & 0o077, 0, "{name:?} is open to others");
        assert_eq!(found.uid(), NOBODY, "{name:?} is root's");
    }
    // The owner's numbers are as they were, and the audit's are gone.
    assert_eq!(server.number("SELECT sum(views) FROM site_counts"), 1);
    assert_eq!(server.number("SELECT count(*) FROM refusal_counts"), 0);
    assert_eq!(server.number("SELECT count(*) FROM site_counts WHERE site = 'audit.invalid'"), 0);
    // What the report says of the positive control is what it is.
    let control = first.report.controls.iter().find(|it| it.name == "positive control").unwrap();
    assert_eq!(control.status, Status::NotTested);
    assert!(control.said.contains("not run with this binary"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_folder_without_a_site_keeps_its_demo_site_during_an_audit() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "listen = \"127.0.0.1:0\"\nops_listen = \"127.0.0.1:0\"\n";
    std::fs::write(dir.path().join("headcount.toml"), settings).unwrap();
    let server = Server::start_file(shipped(), dir.path(), &[]).unwrap();
    let data = server.data();
    let added = Command::new(shipped())
        .args(["site", "add", "audit.invalid", "--data", data.to_str().unwrap()])
        .status();
    assert!(added.unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let body = "{\"s\":\"localhost\",\"p\":\"/\"}";
    let headers = format!("User-Agent: {CHROME}\r\n");
    assert_eq!(server.send("POST /hit", &headers, body).unwrap().status, 204);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn each_planted_leak_is_found_and_its_place_named() {
    let binary = without_sanitiser();
    let find = |(leak, place): (&str, &str)| {
        let dir = tempfile::tempdir().unwrap();
        // What is seen also lies where only its owner knows.
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let armed = match leak {
            "backup" => format!("{leak}:{}", elsewhere.join("copy").display()),
            _ => leak.to_owned(),
        };
        let environment = [("HEADCOUNT_LEAK", armed.as_str())];
        let server = Server::start_binary(&binary, dir.path(), "", &environment).unwrap();
        let more = ["--seconds", "120", "--also", elsewhere.to_str().unwrap()];
        let ended = audit_up(shipped(), (&server, dir.path()), &more);
        let is_named = leaky(&ended.report).contains(&place);
        assert!(is_named && ended.code == Some(1), "{leak}: as root? {}", ended.said);
        let named = leaky(&ended.report).contains(&"files that were named");
        assert_eq!(named, leak == "backup", "{}", ended.said);
        if leak == "log" {
            let found = channels(&ended.report, place);
            let unseen = IN_HEADERS.iter().filter(|channel| !found.contains(channel));
            assert_eq!(unseen.count(), 0, "{found:?}");
        }
        server.kill();
    };
    at_once(&PLANTED, &find);
}

/// Does the same for each, a few at once: an audit mostly waits.
pub(crate) fn at_once<T: Copy + Sync>(all: &[T], each: &(impl Fn(T) + Sync)) {
    for some in all.chunks(AT_ONCE) {
        std::thread::scope(|scope| some.iter().for_each(|one| drop(scope.spawn(|| each(*one)))));
    }
}

#[test]
fn the_control_is_caught_on_every_text_and_then_counts() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_binary(&without_sanitiser(), dir.path(), OWNER, &[]).unwrap();
    let caught = audit_up(shipped(), (&server, dir.path()), &[]);
    assert_caught(&caught, &["edge file"]);
    // The sentences that it makes untrue fail, and no others.
    for id in ["stored.clean", "stored.clicks", "checked.audit"] {
        assert_eq!(claim(&caught.report, id), Status::Failed, "{id}");
        assert!(caught.said.contains(&format!("not so: {id}: ")), "{}", caught.said);
    }
    for id in ["address.unwritten", "request.unread", "short.counts"] {
        assert_ne!(claim(&caught.report, id), Status::Failed, "{id}");
    }
    server.kill();
    let control = dir.path().with_extension("a.json");
    let honest = tempfile::tempdir().unwrap();
    let server = Server::start(honest.path(), "", &[]);
    let given = ["--control", control.to_str().unwrap()];
    let ended = audit_up(shipped(), (&server, honest.path()), &given);
    assert_passed(&ended);
    let held = ended.report.controls.iter().find(|it| it.name == "positive control").unwrap();
    assert_eq!(held.status, Status::Passed, "{held:?}");
    // A report of a build that hides nothing is no control.
    let control = honest.path().with_extension("a.json");
    let ended =
        audit_up(shipped(), (&server, honest.path()), &["--control", control.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert_eq!(server.stop(), Some(0));
}

/// Values of attributes with fewer visitors than a closed day has.
pub(crate) const SMALL: &str =
    "SELECT count(*) FROM attribute_counts WHERE visitors < 3 AND value <> '(other)'";

/// Visits of three days ago, some of them from countries that few came from.
pub(crate) fn a_day_that_is_over(folder: &Path) {
    let long_ago = traffic::now() - 3 * 86_400;
    let lines: String = (1..=40).map(|network| traffic::view(long_ago, network, "/a")).collect();
    let log = folder.join("access.log");
    std::fs::write(&log, lines).unwrap();
    assert!(headcount(folder, &["site", "add", SITE]).status.success());
    assert!(headcount(folder, &["import", SITE, log.to_str().unwrap()]).status.success());
    assert!(number_in(&folder.join("data"), SMALL) > 0, "some come from small countries");
}

#[test]
fn a_report_says_what_the_notice_rests_on_what_was_set_and_who_may_read() {
    let dir = tempfile::tempdir().unwrap();
    a_day_that_is_over(dir.path());
    let server = Server::start(dir.path(), OWNER, &[]);
    server.wait_for(SMALL, 0);
    let added = headcount(dir.path(), &["token", "add", "--site", SITE, "--role", "owner"]);
    assert!(added.status.success());
    let token = String::from_utf8(added.stdout).unwrap();
    let one = format!("{{\"s\":\"{SITE}\",\"p\":\"/users/77\"}}");
    assert_eq!(server.hit(&one).unwrap().status, 204);
    let ended = audit_up(shipped(), (&server, dir.path()), &[]);
    assert_passed(&ended);
    let Ended { report, .. } = ended;
    for id in ["address.unwritten", "stored.clean", "checked.audit", "device.nothing"] {
        assert_eq!(claim(&report, id), Status::Passed, "{id}");
    }
    for (id, status) in [
        ("short.counts", Status::Passed),
        ("receivers.access", Status::Passed),
        ("optout.number", Status::Passed),
        ("address.cut", Status::NotTested),
        ("stored.k_day", Status::Passed),
        ("who.controller", Status::NotApplicable),
    ] {
        assert_eq!(claim(&report, id), status, "{id}");
    }
    let held = report.evidence.claims.iter().find(|claim| claim.id == "address.cut").unwrap();
    assert!(held.tests[0].contains("peer.rs"), "{held:?}");
    let crowd = report.evidence.settings.iter().find(|it| it.key == "crowd").unwrap();
    let told = (crowd.value.as_str(), crowd.default.as_str(), crowd.by.as_str());
    assert_eq!(told, ("4", "8", "file"));
    let tokens: Vec<_> = report.evidence.tokens.iter().map(|it| (&*it.role, it.count)).collect();
    assert_eq!(tokens, [("owner", 1)]);
    assert_eq!(check(&report, "admin log of up"), Status::Passed);
    let small = &report.evidence.small_cells[0];
    assert!(small.named > 0 && small.folded > 0 && small.below == 0, "{small:?}");
    assert!(small.smallest >= Some(3) && small.sites == 1, "{small:?}");
    whatever_else_a_report_says(&report);
    let (text, folder) = (report.json().unwrap(), dir.path().to_str().unwrap());
    assert!(!text.contains(token.trim()) && !report.repeat.concat().contains(folder));
    // Whoever changes the admin log is seen.
    let control = rusqlite::Connection::open(server.data().join("control.db")).unwrap();
    control.execute("UPDATE admin_log SET who = 'nobody' WHERE seq = 1", []).unwrap();
    drop(control);
    // And so is a threshold under which the days that are over were not closed.
    let config = dir.path().join("headcount.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("k = 90\nk_day = 90\n{text}")).unwrap();
    let ended = audit_up(shipped(), (&server, dir.path()), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert_eq!(check(&ended.report, "admin log of up"), Status::Failed);
    assert!(ended.said.contains("failed: admin log of up: "), "{}", ended.said);
    assert_eq!(claim(&ended.report, "stored.k_day"), Status::Failed);
    assert_eq!(server.stop(), Some(0));
}

/// Where data lives, what the text policy takes, of which day the key is, and what is left of risk.
fn whatever_else_a_report_says(report: &Report) {
    for name in ["the data map", "the text policy", "the day's key"] {
        assert_eq!(check(report, name), Status::Passed, "{name}");
    }
    let evidence = &report.evidence;
    assert!(evidence.places.iter().any(|place| place.name == "Data folder DIR"));
    let redact = evidence.scrubbed.iter().find(|it| it.want == "redact").unwrap();
    assert!(redact.texts > 30 && redact.right == redact.texts, "{redact:?}");
    let pages = evidence.taken.iter().find(|it| it.kind == "pages").unwrap();
    assert_eq!((pages.hits, pages.parts, pages.whole), (41, 1, 0), "one of /users/77");
    assert_eq!(evidence.keys.len(), 1, "{:?}", evidence.keys);
    assert_eq!((evidence.keys[0].day.len(), evidence.keys[0].drawn), ("2026-11-22".len(), 1));
    assert!(evidence.risks.len() > 20 && evidence.risks.iter().all(|it| it.remedy.len() > 10));
    assert!(["machine", "ran_as"].iter().all(|it| report.json().unwrap().contains(it)));
}

#[test]
fn what_cannot_be_examined_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "", &[]);
    let data = server.data();
    let mut args = vec!["--data", data.to_str().unwrap(), "--listen", &server.address];
    args.extend(["--stats-listen", &server.address, "--ops-listen", "127.0.0.1:9"]);
    args.extend(["--also", "/nowhere/access.log"]);
    let ended = audit(shipped(), dir.path(), &args);
    assert_eq!(
        (ended.code, ended.report.verdict),
        (Some(2), Verdict::Incomplete),
        "{}",
        ended.said
    );
    for (name, why) in [
        ("log", "--log"),
        ("metrics and health", "no answer"),
        ("files that were named", "there is no such file"),
    ] {
        let artefact = ended.report.artefacts.iter().find(|it| it.name == name).unwrap();
        assert_eq!(artefact.status, Status::NotTested, "{artefact:?}");
        assert!(artefact.said.contains(why), "{artefact:?}");
    }
    let address = server.address.clone();
    assert_eq!(server.stop(), Some(0));
    // Of a process that is gone nothing can be said.
    let folder = dir.path().join("data");
    let output = Command::new(shipped())
        .args(["audit", "--data", folder.to_str().unwrap()])
        .args(["--listen", &address, "--ops-listen", &address])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("nobody answers"), "{said}");
}

#[test]
fn what_keeps_an_audit_from_its_verdict_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(shipped())
            .args(["audit", "--listen", "127.0.0.1:9", "--ops-listen", "127.0.0.1:9", "--data"])
            .arg(&data)
            .args(args)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // A report that cannot be written is said before anything is sent.
    let report = dir.path().join("none/a.html");
    let (code, said) = run(&["--html", report.to_str().unwrap()]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--html") && said.contains("cannot be written"), "{said}");
    assert!(!data.join("control.db").exists(), "nothing was done");
    let lock = std::fs::File::create(data.join("audit.lock")).unwrap();
    lock.lock().unwrap();
    let (code, said) = run(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("another audit runs"), "{said}");
}

#[test]
fn behind_a_proxy_the_networks_of_analysts_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "trusted_proxies = [\"127.0.0.1\"]\n\
        client_address_header = \"X-Forwarded-For\"\nanalyst_networks = [\"192.0.2.0/24\"]\n";
    let server = Server::start(dir.path(), settings, &[]);
    // A pipe that nobody writes to is not waited for.
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ended = audit_up(shipped(), (&server, dir.path()), &["--also", pipe.to_str().unwrap()]);
    assert_eq!(
        (ended.code, ended.report.verdict),
        (Some(2), Verdict::Incomplete),
        "{}",
        ended.said
    );
    for artefact in &ended.report.artefacts {
        let is_pipe = artefact.name == "files that were named";
        let is_right = matches!(artefact.status, Status::Passed | Status::NotApplicable);
        assert!(is_right != is_pipe, "{artefact:?}\n{}", ended.said);
        assert!(!is_pipe || artefact.said.contains("no regular file"), "{artefact:?}");
        assert!(!artefact.said.is_empty(), "{artefact:?} is not described");
    }
    assert_eq!(check(&ended.report, "without a token"), Status::Passed, "{}", ended.said);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn wrong_flags_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(shipped()).arg("audit").args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let data = dir.path().join("none");
    let data = ["--data", data.to_str().unwrap()];
    let listen = ["--listen", "127.0.0.1:9", "--ops-listen", "127.0.0.1:9"];
    for (args, expected) in [
        (&["--seconds", "3"][..], "10 to 3600"),
        (&["--listen", "127.0.0.1"], "--listen"),
        (&["--control", "/nowhere"], "--control /nowhere"),
        (&[], "no such folder"),
    ] {
        let given = [&data[..], if args.contains(&"--listen") { &[] } else { &listen }, args];
        let (code, said) = run(&given.concat());
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_is_shipped_has_no_leak_to_switch_on() {
    let dir = tempfile::tempdir().unwrap();
    let started = Server::try_start(dir.path(), "", &[("HEADCOUNT_LEAK", "log")]);
    let ended = started.err().unwrap();
    assert_eq!(ended.status.code(), Some(64), "{}", ended.said);
    assert!(ended.said.contains("unset HEADCOUNT_LEAK"), "{}", ended.said);
}
