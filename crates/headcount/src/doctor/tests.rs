//! Each check both ways; the files of `deploy/`, and the same with one line wrong.

mod files;

use headcount_transport::kafka::topic::Life;

use super::checks::{Finding, Level, findings};
use super::facts::{Backups, Copy, Facts, Folder, LockedMemory, Published, Reach, Swap};
use super::page::{Page, Seen};
use super::proxy::{self, Front, Logging, Visited};
use super::table;
use crate::cluster::way::Way;

const NGINX: &str = include_str!("../../../../deploy/proxy/nginx.conf");
const CADDY: &str = include_str!("../../../../deploy/proxy/Caddyfile");
const HAPROXY: &str = include_str!("../../../../deploy/proxy/haproxy.cfg");
const COMPOSE: &str = include_str!("../../../../deploy/compose/nginx.conf");
const ROUTES: [&str; 4] = ["/hit", "/p.gif", "/headcount.js", "/matomo.php"];

/// What a file says of [`ROUTES`], with the dashboard where `deploy/proxy/` has it.
fn read(text: &str) -> Logging {
    proxy::read(text, None, Visited { routes: &ROUTES, stats_port: Some(8_081) })
}

/// A deployment with nothing to say against.
fn well() -> Facts {
    let way = |to: &str| Way { to: to.to_owned(), leaves_machine: true, is_encrypted: true };
    Facts {
        listen: Reach::Machine,
        stats_listen: Reach::Machine,
        stats_share_listen: false,
        analysts_are_listed: false,
        ops_listen: Reach::Machine,
        operators_are_listed: false,
        has_proxies: true,
        is_reached_by_tls: true,
        has_sites: true,
        visitors: true,
        is_strict: false,
        crowd: 8,
        k: 5,
        k_day: 3,
        retention_days: 365,
        kafka: Some(way("kafka:9093")),
        topic: Some(Life {
            retention_ms: Some(604_800_000),
            segment_ms: 86_400_000,
            ahead_ms: Some(3_600_000),
        }),
        clickhouse: Some(way("clickhouse:8443")),
        clickhouse_logs: Some(Vec::new()),
        swaps: Some(Vec::new()),
        locked: Some(LockedMemory {
            needed: 16_388,
            allowed: u64::MAX,
            runs: true,
            held: Some(16_388),
        }),
        core_pattern: Some("core".to_owned()),
        clock_is_set: Some(true),
        from_the_future: None,
        folder: Some(Folder { mode: 0o700, edge_version: Some(2), ..Folder::default() }),
        backups: Backups { kept_days: 30, ..Backups::default() },
        backups_are_said: true,
        has_notice: true,
        notices: vec![("notice.md".to_owned(), Published::OfThese)],
        page: Some(Page {
            name: "https://example.org/".to_owned(),
            look: Ok(Seen { has_snippet: true, ..Seen::default() }),
        }),
        fronts: vec![Front {
            name: "nginx.conf".to_owned(),
            logging: Logging::Off,
            keeps_tickets: false,
        }],
    }
}

fn of(facts: &Facts, check: &str) -> Vec<Level> {
    let found = findings(facts);
    found.iter().filter(|finding| finding.check == check).map(|finding| finding.level).collect()
}

#[test]
fn only_caddy_gives_tickets_that_no_line_stops() {
    let keeps = |text: &str| {
        proxy::keeps_tickets(text, Visited { routes: &ROUTES, stats_port: Some(8_081) })
    };
    assert!(keeps(CADDY));
    for text in [NGINX, HAPROXY, COMPOSE] {
        assert!(!keeps(text));
    }
    // Without TLS there are none, and those of the dashboard's users are another matter.
    assert!(!keeps(&CADDY.replace("count.example.org {", "http://count.example.org {")));
    assert!(!keeps(":8088\nreverse_proxy 127.0.0.1:8080\n"));
    assert!(keeps("count.example.org\nreverse_proxy 127.0.0.1:8080\n"));
}

#[test]
fn a_deployment_that_is_well_is_well() {
    let found = findings(&well());
    let others: Vec<&Finding> = found
        .iter()
        .filter(|finding| finding.level != Level::Ok && finding.check != "clickhouse_logs")
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(found.iter().filter(|f| f.level == Level::Ok).all(|f| f.why.is_empty()));
}

/// A check, what it must say, and the fact that is changed for it.
type Change = (&'static str, Level, fn(&mut Facts));

/// Listeners, and the ways to others.
fn of_ways() -> Vec<Change> {
    vec![
        ("listen", Level::Advice, |f| f.listen = Reach::Everybody),
        ("listen", Level::Weakens, |f| (f.listen, f.has_proxies) = (Reach::Everybody, false)),
        ("listen", Level::Weakens, |f| (f.listen, f.has_proxies) = (Reach::Private, false)),
        ("trusted_proxies", Level::Advice, |f| f.has_proxies = false),
        ("stats_listen", Level::Advice, |f| f.stats_listen = Reach::Everybody),
        ("stats_listen", Level::Advice, |f| {
            (f.stats_listen, f.analysts_are_listed) = (Reach::Everybody, true);
        }),
        ("stats_listen", Level::Advice, |f| f.stats_listen = Reach::Private),
        ("stats_listen", Level::Ok, |f| {
            (f.stats_listen, f.analysts_are_listed) = (Reach::Private, true);
        }),
        ("stats_listen", Level::Advice, |f| f.stats_share_listen = true),
        ("stats_listen", Level::Ok, |f| {
            (f.stats_share_listen, f.has_proxies) = (true, false);
        }),
        ("stats_listen", Level::Ok, |f| {
            (f.stats_share_listen, f.analysts_are_listed) = (true, true);
        }),
        ("stats_url", Level::Advice, |f| f.is_reached_by_tls = false),
        ("ops_listen", Level::Weakens, |f| f.ops_listen = Reach::Everybody),
        ("ops_listen", Level::Advice, |f| f.ops_listen = Reach::Private),
        ("ops_listen", Level::Ok, |f| {
            (f.ops_listen, f.operators_are_listed) = (Reach::Everybody, true);
        }),
        ("kafka", Level::Weakens, |f| f.kafka.as_mut().unwrap().is_encrypted = false),
        ("kafka", Level::Ok, |f| {
            let way = f.kafka.as_mut().unwrap();
            (way.is_encrypted, way.leaves_machine) = (false, false);
        }),
        ("kafka_topic", Level::Weakens, |f| f.topic.as_mut().unwrap().retention_ms = None),
        ("kafka_topic", Level::Weakens, |f| f.topic.as_mut().unwrap().segment_ms = 604_800_000),
        ("kafka_topic", Level::Advice, |f| f.topic.as_mut().unwrap().ahead_ms = None),
        ("kafka_topic", Level::NotTested, |f| f.topic = None),
        ("clickhouse", Level::Weakens, |f| f.clickhouse.as_mut().unwrap().is_encrypted = false),
        ("clickhouse_logs", Level::Weakens, |f| {
            f.clickhouse_logs = Some(vec!["query_log".to_owned()]);
        }),
        ("clickhouse_logs", Level::NotTested, |f| f.clickhouse_logs = None),
        ("proxy", Level::NotTested, |f| f.fronts.clear()),
        ("proxy_tickets", Level::Advice, |f| f.fronts[0].keeps_tickets = true),
        ("proxy", Level::Weakens, |f| {
            f.fronts[0].logging = Logging::On(vec!["/hit".to_owned()]);
        }),
    ]
}

/// The machine.
fn of_the_machine() -> Vec<Change> {
    vec![
        ("swap", Level::Weakens, |f| {
            f.swaps = Some(vec![Swap { name: "/dev/sda2".to_owned(), is_safe: Some(false) }]);
        }),
        ("swap", Level::NotTested, |f| {
            f.swaps = Some(vec![Swap { name: "/swapfile".to_owned(), is_safe: None }]);
        }),
        ("swap", Level::Ok, |f| {
            f.swaps = Some(vec![Swap { name: "/dev/zram0".to_owned(), is_safe: Some(true) }]);
        }),
        ("swap", Level::NotTested, |f| f.swaps = None),
        ("locked_memory", Level::Weakens, |f| f.locked.as_mut().unwrap().held = Some(8_192)),
        ("locked_memory", Level::Weakens, |f| {
            let (runs, held) = (false, None);
            f.locked = Some(LockedMemory { needed: 16_388, allowed: 8_192, runs, held });
        }),
        ("locked_memory", Level::Ok, |f| {
            let (runs, held) = (false, None);
            f.locked = Some(LockedMemory { needed: 4_100, allowed: 8_192, runs, held });
        }),
        // A process runs, and nobody can see what it has locked.
        ("locked_memory", Level::NotTested, |f| f.locked.as_mut().unwrap().held = None),
        ("locked_memory", Level::NotTested, |f| f.locked = None),
        ("core_pattern", Level::Advice, |f| f.core_pattern = Some("|/usr/bin/crash".to_owned())),
        ("core_pattern", Level::NotTested, |f| f.core_pattern = None),
        ("clock", Level::Advice, |f| f.clock_is_set = Some(false)),
        ("clock", Level::NotTested, |f| f.clock_is_set = None),
        ("clock", Level::Advice, |f| f.from_the_future = Some("edge.db".to_owned())),
    ]
}

/// The page that was named.
fn of_the_page() -> Vec<Change> {
    fn seen(facts: &mut Facts) -> &mut Seen {
        facts.page.as_mut().unwrap().look.as_mut().unwrap()
    }
    vec![
        ("page_cookies", Level::Weakens, |f| assert!(seen(f).cookies.insert("sid".to_owned()))),
        ("page_others", Level::Weakens, |f| assert!(seen(f).code.insert("t.example".to_owned()))),
        ("page_others", Level::Advice, |f| assert!(seen(f).files.insert("t.example".to_owned()))),
        ("page_snippet", Level::Advice, |f| seen(f).has_snippet = false),
        ("page_cookies", Level::NotTested, |f| {
            f.page.as_mut().unwrap().look = Err("answers 404".to_owned());
        }),
    ]
}

fn copy(age_days: u64) -> Copy {
    Copy { name: "headcount-data.tar".to_owned(), age_days, is_certain: false }
}

fn unread() -> Option<String> {
    Some("permission denied".to_owned())
}

fn notice(published: Published) -> (String, Published) {
    ("notice.html".to_owned(), published)
}

/// The data folder, and the settings.
fn of_folder_and_settings() -> Vec<Change> {
    vec![
        ("folder_mode", Level::Weakens, |f| f.folder.as_mut().unwrap().mode = 0o755),
        ("folder_mode", Level::Advice, |f| {
            f.folder.as_mut().unwrap().open_files = vec!["counts.db".to_owned()];
        }),
        ("folder_mode", Level::NotTested, |f| f.folder = None),
        ("folder_files", Level::Advice, |f| {
            f.folder.as_mut().unwrap().foreign_files = vec!["counts.db".to_owned()];
        }),
        ("folder_copies", Level::Advice, |f| {
            f.folder.as_mut().unwrap().unknown_files = vec!["counts.db.bak".to_owned()];
        }),
        ("folder_copies", Level::Weakens, |f| {
            f.folder.as_mut().unwrap().expired_files = vec!["counts.db.bak".to_owned()];
        }),
        ("backups", Level::Ok, |f| f.backups.copies = vec![copy(30)]),
        ("backups", Level::Weakens, |f| f.backups.copies = vec![copy(30), copy(31)]),
        ("backups", Level::Weakens, |f| {
            (f.backups.copies, f.backups_are_said) = (vec![copy(31)], false);
        }),
        ("backups", Level::Advice, |f| {
            (f.backups.copies, f.backups_are_said) = (vec![copy(0)], false);
        }),
        ("backups", Level::NotTested, |f| f.backups.unseen = unread()),
        ("backups", Level::NotTested, |f| {
            (f.backups.copies, f.backups.unseen) = (vec![copy(3)], unread());
        }),
        ("backups", Level::Weakens, |f| {
            (f.backups.copies, f.backups.unseen) = (vec![copy(31)], unread());
        }),
        ("folder_mode", Level::NotTested, |f| f.folder.as_mut().unwrap().unread = unread()),
        ("folder_files", Level::NotTested, |f| f.folder.as_mut().unwrap().unread = unread()),
        ("folder_copies", Level::NotTested, |f| f.folder.as_mut().unwrap().unread = unread()),
        ("edge_version", Level::NotTested, |f| {
            let folder = f.folder.as_mut().unwrap();
            (folder.edge_version, folder.unread) = (None, unread());
        }),
        ("edge_version", Level::Advice, |f| f.folder.as_mut().unwrap().edge_version = Some(1)),
        ("edge_version", Level::Advice, |f| f.folder.as_mut().unwrap().edge_version = Some(3)),
        ("crowd", Level::Weakens, |f| f.crowd = 7),
        ("crowd", Level::Weakens, |f| (f.is_strict, f.crowd) = (true, 19)),
        ("crowd", Level::Ok, |f| (f.is_strict, f.crowd) = (true, 20)),
        ("k", Level::Weakens, |f| f.k = 4),
        ("k", Level::Weakens, |f| f.is_strict = true),
        ("k", Level::Weakens, |f| f.k_day = 1),
        ("k", Level::Weakens, |f| (f.is_strict, f.k, f.k_day) = (true, 10, 9)),
        ("k", Level::Ok, |f| (f.is_strict, f.k, f.k_day) = (true, 10, 10)),
        ("retention", Level::Advice, |f| f.retention_days = 397),
        ("retention", Level::Ok, |f| f.retention_days = 396),
        ("notice", Level::Weakens, |f| f.notices.push(notice(Published::OfOthers))),
        ("notice", Level::Advice, |f| f.notices.push(notice(Published::WithoutHash))),
        ("notice", Level::NotTested, |f| f.notices.clear()),
    ]
}

#[test]
fn each_check_speaks_when_it_must() {
    let changes = [of_ways(), of_the_machine(), of_folder_and_settings(), of_the_page()].concat();
    for (name, level, change) in &changes {
        let mut facts = well();
        change(&mut facts);
        assert_eq!(of(&facts, name), [*level], "{name}");
        if !matches!(level, Level::Advice | Level::Weakens) {
            continue;
        }
        let found = findings(&facts);
        let said = found.iter().find(|finding| finding.check == *name).unwrap();
        assert!(!said.why.is_empty() && !said.mend.is_empty(), "{name}: {said:?}");
        let text = table(&found);
        assert!(text.contains(&said.what) && text.contains(said.mend), "{text}");
    }
    for finding in findings(&well()) {
        let name = finding.check;
        assert!(changes.iter().any(|(of, ..)| *of == name), "{name}: without a test");
    }
}

#[test]
fn the_files_that_come_with_it_log_no_visitor() {
    for (name, text) in
        [("nginx", NGINX), ("caddy", CADDY), ("haproxy", HAPROXY), ("compose", COMPOSE)]
    {
        assert_eq!(read(text), Logging::Off, "{name}");
    }
}

/// A file with something replaced, and the routes that are logged then.
fn check(text: &str, (from, to): (&str, &str), routes: &[&str]) {
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed, "{from}");
    let mut expected: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
    expected.sort();
    let expected = if expected.is_empty() { Logging::Off } else { Logging::On(expected) };
    assert_eq!(read(&changed), expected, "{to}");
}

#[test]
fn nginx_is_read_as_nginx_reads_it() {
    let http = "    access_log off;\n";
    check(NGINX, (http, ""), &ROUTES);
    check(NGINX, (http, "    access_log /var/log/nginx/a.log;\n"), &ROUTES);
    check(NGINX, (http, "    #access_log off;\n"), &ROUTES);
    check(NGINX, (http, "    access_log /a.log combined if=$loggable;\n"), &ROUTES);
    check(COMPOSE, ("access_log off", "access_log /a.log"), &ROUTES);
    let split = "
        location = /hit { access_log off; proxy_pass http://127.0.0.1:8080; }
        location /p { access_log off; proxy_pass http://127.0.0.1:8080; }
        location / {";
    let on = NGINX.replacen(http, "", 1);
    check(&on, ("        location / {", split), &["/headcount.js", "/matomo.php"]);
    check(&on, ("        location / {", &split.replace("off", "/b.log")), &ROUTES);
    let served = "        location = /hit { return 404; }\n        location / {";
    check(&on, ("        location / {", served), &["/p.gif", "/headcount.js", "/matomo.php"]);
    let expression =
        "        location ~ ^/h { access_log off; proxy_pass http://a; }\n        location / {";
    let unknown = read(&on.replacen("        location / {", expression, 1));
    assert!(matches!(unknown, Logging::Unknown(_)), "{unknown:?}");
    assert!(matches!(read("server { location / { proxy_pass http://a;"), Logging::Unknown(_)));
    assert!(matches!(read(""), Logging::Unknown(_)));
}

#[test]
fn caddy_logs_where_a_site_says_so() {
    let site = "count.example.org {\n";
    check(CADDY, (site, "count.example.org {\n\tlog\n"), &ROUTES);
    let skip =
        "count.example.org {\n\tlog {\n\t\toutput stdout\n\t}\n\tlog_skip /hit\n\tlog_skip /p*\n";
    check(CADDY, (site, skip), &["/headcount.js", "/matomo.php"]);
    let named = "count.example.org {\n\tlog\n\t@v path /hit /p.gif /headcount* /matomo.php\n\tlog_skip @v\n";
    check(CADDY, (site, named), &[]);
    let narrow =
        "count.example.org {\n\tlog\n\t@v {\n\t\tpath /hit\n\t\tmethod GET\n\t}\n\tlog_skip @v\n";
    check(CADDY, (site, narrow), &ROUTES);
    check("a.example {\n\treverse_proxy b\n}\n", ("a.example {", "a.example {\n\tskip_log"), &[]);
}

#[test]
fn haproxy_logs_where_it_is_told_to() {
    let line = "    mode http\n";
    check(HAPROXY, (line, "    mode http\n    log 127.0.0.1 local0\n"), &ROUTES);
    check(HAPROXY, ("    bind :80\n", "    bind :80\n    log stdout format raw local0\n"), &ROUTES);
    let on = HAPROXY.replacen(line, "    mode http\n    log global\n    option httplog\n", 1);
    let silent = "    bind :80\n    http-request set-log-level silent if { path /hit /p.gif }\n";
    check(&on, ("    bind :80\n", silent), &["/headcount.js", "/matomo.php"]);
    let named = "    bind :80\n    acl v path -i /hit /p.gif /matomo.php\n    acl v path_beg /headcount\n    \
                 http-request set-log-level silent if v\n";
    check(&on, ("    bind :80\n", named), &[]);
    let narrow = "    bind :80\n    acl v path_beg /\n    acl w src 10.0.0.0/8\n    \
                  http-request set-log-level silent if v w\n";
    check(&on, ("    bind :80\n", narrow), &ROUTES);
    check(&on, ("    bind :80\n", "    bind :80\n    no log\n"), &[]);
}

/// A file whose log cannot be told on or off.
fn doubted(text: &str, reason: &str) {
    match read(text) {
        Logging::Unknown(said) => assert!(said.contains(reason), "{said}: {text}"),
        other => panic!("{other:?}: {text}"),
    }
}

#[test]
fn nginx_logs_where_a_request_ends() {
    let server = |inner: &str| format!("http {{ access_log off; server {{ {inner} }} }}");
    let app = "location @app { proxy_pass http://127.0.0.1:8080; ";
    let log = "access_log /a.log; ";
    let all = || Logging::On(sorted(&ROUTES));
    let hit = || Logging::On(vec!["/hit".to_owned()]);
    let pass = "proxy_pass http://127.0.0.1:8080;";
    for (inner, expect) in [
        // Sent on to a named location, which logs.
        (format!("location / {{ try_files /x @app; }} {app} {log} }}"), all()),
        (format!("location / {{ try_files /x @app; }} {app} }}"), Logging::Off),
        (format!("location / {{ {log} try_files /x @app; }} {app} }}"), Logging::Off),
        (format!("{log} location / {{ access_log off; try_files /x @app; }} {app} }}"), all()),
        (format!("try_files /x @app; {app} {log} }}"), all()),
        // A location within a location, and an `if` within one.
        (format!("location / {{ {pass} location /hit {{ {log} {pass} }} }}"), hit()),
        (format!("location / {{ {pass} location = /hit {{ {pass} }} }}"), Logging::Off),
        (format!("location / {{ if ($a) {{ {log} }} {pass} }}"), all()),
        (format!("location / {{ if ($a) {{ {log} {pass} }} }}"), all()),
        (format!("location / {{ if ($a) {{ access_log off; }} {pass} }}"), Logging::Off),
        // Where nothing logs there is no doubt.
        (format!("rewrite ^ /x; location ~ x {{ {pass} }}"), Logging::Off),
        // What failed is logged where the page for it is.
        (format!("error_page 502 /50x; location / {{ {pass} }} location /50x {{ {log} }}"), all()),
        (format!("error_page 502 /50x; location / {{ {pass} }} location /5 {{ }}"), Logging::Off),
        (
            format!("{log} error_page 502 /50x; location / {{ access_log off; {pass} }}"),
            Logging::Off,
        ),
        (format!("{log} error_page 502 /50x; location /hit {{ access_log off; {pass} }}"), hit()),
        (format!("error_page 502 =204 @e; location / {{ {pass} }} location @e {{ {log} }}"), all()),
    ] {
        assert_eq!(read(&server(&inner)), expect, "{inner}");
    }
    for (inner, reason) in [
        (format!("{log} rewrite ^/h /x; location / {{ access_log off; {pass} }}"), "rewrites"),
        (format!("location / {{ {pass} }} location ~ hit {{ {log} {pass} }}"), "expression"),
        (format!("{log} location / {{ access_log off; try_files /x $y; }} {app} }}"), "a variable"),
        (format!("{log} location / {{ access_log off; try_files /x @b; }} {app} }}"), "not there"),
    ] {
        doubted(&server(&inner), reason);
    }
    let inner = "location /a { try_files x /b; } location /b { try_files x /a; } location /hit {
        try_files x /a; }";
    let circle = server(&format!("{inner} location /c {{ {log} {pass} }}"));
    doubted(&circle, "too deep");
    let stream = "stream { server { access_log /a.log; proxy_pass 127.0.0.1:8080; } }";
    doubted(&[server(&format!("location / {{ {pass} }}")), stream.to_owned()].concat(), "stream");
}

fn sorted(routes: &[&str]) -> Vec<String> {
    let mut routes: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
    routes.sort();
    routes
}

#[test]
fn caddy_skips_only_what_its_site_says() {
    let site = "count.example.org {\n";
    // What holds for some paths only says nothing of others.
    let narrow = "count.example.org {\n\tlog\n\thandle /static/* {\n\t\tlog_skip\n\t}\n";
    doubted(&CADDY.replacen(site, narrow, 1), "other blocks");
    let both = "count.example.org {\n\tlog\n\tlog_skip\n\thandle /x {\n\t\tlog_skip\n\t}\n";
    check(CADDY, (site, both), &[]);
    // A site that imports what it passes on.
    let snippet = "(app) {\n\treverse_proxy b\n}\na.example {\n\tlog\n\timport app\n}\n";
    doubted(snippet, "imports");
    let route = "&(app) {\n\treverse_proxy b\n}\na.example {\n\tlog\n\tinvoke app\n}\n";
    doubted(route, "imports");
    doubted("import sites/*\na.example {\n\treverse_proxy b\n}\n", "imports");
    // Another proxy's file that only speaks of it.
    let apache = "# our reverse_proxy for visitors\nProxyPass / http://127.0.0.1:8080/\n";
    doubted(apache, "passes");
}

#[test]
fn haproxy_is_silent_only_to_the_end() {
    let line = "    mode http\n";
    let on = HAPROXY.replacen(line, "    mode http\n    log global\n    option httplog\n", 1);
    let silent = "    http-request set-log-level silent\n";
    let bind = |more: &str| on.replacen("    bind :80\n", &format!("    bind :80\n{more}"), 1);
    assert_eq!(read(&bind(silent)), Logging::Off);
    for loud in [
        "    http-request set-log-level info if { path /hit }\n",
        "    http-response set-log-level notice\n",
        "    http-after-response set-log-level err\n",
    ] {
        let after = bind(&[silent, loud].concat());
        assert_eq!(read(&after), Logging::On(sorted(&ROUTES)), "{loud}");
        let is_request = loud.contains("http-request");
        let before = read(&bind(&[loud, silent].concat()));
        assert_eq!(before == Logging::Off, is_request, "{loud}");
    }
    let backend = bind(silent).replacen(
        "\nbackend count\n",
        "\nbackend count\n    http-request set-log-level info\n",
        1,
    );
    doubted(&backend, "behind its frontends");
    doubted(&bind(&[silent, "    http-request do-log\n"].concat()), "do-log");
    doubted(&[".if defined(X)\n", &bind(silent)].concat(), ".if");
    // Which defaults hold is said by name, or they are the last ones.
    let section = "frontend a\n    bind :80\n    default_backend b\n";
    let quiet = format!("defaults\n    log global\ndefaults\n    mode http\n{section}");
    assert_eq!(read(&quiet), Logging::Off);
    let named = format!(
        "defaults loud\n    log global\ndefaults quiet\n    mode http\n{}",
        section.replace("frontend a", "frontend a from loud")
    );
    assert_eq!(read(&named), Logging::On(sorted(&ROUTES)));
}

#[test]
fn the_machine_is_read_right() {
    assert!(super::gather::may_lock("CapEff:\t000001ffffffffff\n"));
    assert!(!super::gather::may_lock("CapEff:\t0000000000000000\n"));
}

mod any_text {
    use proptest::prelude::*;

    use super::read;

    proptest! {
        /// A file is outside bytes, too.
        #[test]
        fn is_read_without_a_panic(
            text in "(server|location|proxy_pass|reverse_proxy|frontend|bind|log|include|# configuration file |[:\\*{};#\"'=~ \n]|[a-z/.@]){0,60}",
        ) {
            read(&text);
        }
    }
}
