//! Each check both ways; the files of `deploy/`, and the same with one line wrong.

mod files;

use headcount_transport::kafka::topic::Life;

use super::checks::{EDGE_VERSION, Finding, Level, findings};
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
        locked: Some(LockedMemory { needed: 16_388, allowed: u64::MAX, held: Some(16_388) }),
        core_pattern: Some("core".to_owned()),
        clock_is_set: Some(true),
        from_the_future: None,
        folder: Some(Folder { mode: 0o700, edge_version: Some(EDGE_VERSION), ..Folder::default() }),
        backups: Backups { kept_days: 30, copies: Vec::new() },
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
        ("swap", Level::Weakens, |f| {
            f.swaps = Some(vec![Swap { name: "/swapfile".to_owned(), is_safe: None }]);
        }),
        ("swap", Level::Ok, |f| {
            f.swaps = Some(vec![Swap { name: "/dev/zram0".to_owned(), is_safe: Some(true) }]);
        }),
        ("swap", Level::NotTested, |f| f.swaps = None),
        ("locked_memory", Level::Weakens, |f| f.locked.as_mut().unwrap().held = Some(8_192)),
        ("locked_memory", Level::Weakens, |f| {
            f.locked = Some(LockedMemory { needed: 16_388, allowed: 8_192, held: None });
        }),
        ("locked_memory", Level::Ok, |f| {
            f.locked = Some(LockedMemory { needed: 4_100, allowed: 8_192, held: None });
        }),
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
    Copy { name: "headcount-data.tar".to_owned(), age_days }
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
        ("edge_version", Level::Advice, |f| f.folder.as_mut().unwrap().edge_version = Some(1)),
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

#[test]
fn the_machine_is_read_right() {
    let swaps = super::gather::swaps(
        "Filename\t\t\t\tType\t\tSize\n/dev/zram0  partition 1\n/swapfile file 2\n/dev/no-such partition 3\n",
    );
    let safe: Vec<Option<bool>> = swaps.iter().map(|swap| swap.is_safe).collect();
    assert_eq!(safe, [Some(true), None, Some(false)]);
    assert!(super::gather::swaps("Filename Type\n").is_empty());
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
