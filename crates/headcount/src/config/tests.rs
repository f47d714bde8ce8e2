//! The configuration's layers and rules.

use super::raw::RawConfig;
use super::*;

fn load(text: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("headcount.toml");
    std::fs::write(&path, text).unwrap();
    let flags = Flags { config: Some(path), ..flags };
    Config::load(&flags, environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

impl Config {
    /// The configuration of a file with this text, and nothing else.
    pub(crate) fn of_text(text: &str) -> Result<Self, ConfigError> {
        load(text, &[], Flags::default())
    }
}

fn error(text: &str) -> String {
    match load(text, &[], Flags::default()) {
        Ok(_) => panic!("`{text}` was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_example_file_is_the_defaults() {
    let text = include_str!("../../../../deploy/headcount.example.toml");
    let example: RawConfig = toml::from_str(text).unwrap();
    let expect = RawConfig { crowd: Some(8), k: Some(5), k_day: Some(3), ..RawConfig::default() };
    assert_eq!(example, expect);
    let all = toml::Table::try_from(expect).unwrap();
    let given: toml::Table = text.parse().unwrap();
    for (key, value) in &all {
        assert!(given.contains_key(key) || key == "sites", "{key} is missing in the example");
        for limit in value.as_table().into_iter().flat_map(toml::Table::keys) {
            assert!(given[key].get(limit).is_some(), "{key}.{limit} is missing");
        }
    }
    let defaults = Config::load(&Flags::default(), []).unwrap();
    assert_eq!((defaults.release.crowd, defaults.k, defaults.k_day), (8, 5, 3));
}

/// However it is written, a site is the one that requests and commands name.
#[test]
fn a_site_is_one_however_its_host_is_written() {
    let text = "[[sites]]\nhost = \"Example.ORG.\"\naliases = [\"WWW.example.org\"]\n\
                strong_words = [\"klinik\"]";
    let flags =
        Flags { sites: vec!["example.Org".into(), "Other.example".into()], ..Flags::default() };
    let config = load(text, &[], flags).unwrap();
    let hosts: Vec<&str> = config.sites.iter().map(|site| site.host.as_str()).collect();
    assert_eq!(hosts, ["example.org", "other.example"]);
    assert_eq!(config.sites[0].aliases, ["www.example.org"]);
    assert_eq!(config.sites[0].strong_words, ["klinik"]);
    assert!(error("cores = 257").contains("cores = 257: a number from 0"));
}

#[test]
fn a_site_has_its_own_time_zone_or_that_of_all() {
    let text = "time_zone = \"Asia/Kolkata\"\n[[sites]]\nhost = \"a.b\"\n\
                time_zone = \"Europe/Stockholm\"\n[[sites]]\nhost = \"c.d\"";
    let config = load(text, &[], Flags::default()).unwrap();
    for (site, zone) in [("a.b", "Europe/Stockholm"), ("c.d", "Asia/Kolkata")] {
        assert_eq!(config.time_zone(&host("", site).unwrap()).name(), zone);
    }
}

#[test]
fn later_layers_win() {
    let text =
        "listen = \"127.0.0.1:1\"\ncrowd = 3\npreset = \"strict\"\n[limits]\nconnections = 9";
    let environment =
        [("HEADCOUNT_LISTEN", "127.0.0.1:2"), ("HEADCOUNT_LIMITS_CONNECTIONS", "7"), ("HOME", "/")];
    let config = load(text, &environment, Flags::default()).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!((config.release.crowd, config.k, config.limits.connections), (3, 10, 7));
    let said = load("", &[("HEADCOUNT_NOTICE_CONTROLLER", "Exempel AB")], Flags::default());
    assert_eq!(said.unwrap().notice.controller, "Exempel AB");
    let flags = Flags { listen: Some("127.0.0.1:3".into()), ..Flags::default() };
    assert_eq!(load(text, &environment, flags).unwrap().listen.port(), 3);
}

#[test]
fn says_what_is_wrong_and_what_would_be_right() {
    for (text, parts) in [
        ("lisen = 1", ["line 1", "lisen"]),
        ("\ncrowd = \"x\"", ["line 2", "crowd"]),
        ("crowd = 0", ["crowd = 0", "from 1"]),
        ("visitors = \"on\"", ["visitors = \"on\"", "daily"]),
        ("listen = \"8080\"", ["listen = \"8080\"", "127.0.0.1:8080"]),
        ("retention_days = 0", ["retention_days = 0", "760"]),
        ("time_zone = \"CEST\"", ["time_zone = \"CEST\"", "Europe/Stockholm"]),
        ("[[sites]]\nhost = \"a.b\"\ntime_zone = \"x\"", ["sites.time_zone of a.b", "UTC"]),
        ("trusted_proxies = [\"x\"]\nclient_address_header = \"a\"", ["`x`", "10.0.0.0/8"]),
        ("analyst_networks = [\"x\"]", ["analyst_networks: `x`", "10.0.0.0/8"]),
        ("ops_networks = [\"10.0.0.0/33\"]", ["ops_networks: `10.0.0.0/33`", "2001:db8::/32"]),
        ("stats_url = \"count.example.org\"", ["stats_url = \"count", "https://count"]),
        ("stats_url = \"https://a.b/c\"", ["stats_url = \"https://a.b/c\"", "origin"]),
        ("trusted_proxies = [\"10.0.0.1\"]", ["client_address_header", "X-Forwarded-For"]),
        ("[[sites]]\nhost = \"https://a.b\"", ["sites.host", "example.org"]),
        ("[[sites]]\nhost = \"a.b\"\n[[sites]]\nhost = \"A.b\"", ["a.b", "twice"]),
        ("compat = [\"umami\", \"Matomo\"]", ["compat = \"Matomo\"", "goatcounter"]),
        ("compat = \"umami\"", ["line 1", "compat"]),
        ("[[sites]]\nhost = \"a.b\"\numami_id = \"7\"", ["umami_id of a.b = \"7\"", "0b0a1bdd-"]),
        ("[[sites]]\nhost = \"a.b\"\nmatomo_id = -1", ["line 3", "matomo_id"]),
        ("[kafka]\nbrokers = \"a\"", ["kafka.brokers", "127.0.0.1:9092"]),
        ("[kafka]\nbrokers = \"a:1\"\ntopic = \"a b\"", ["kafka.topic = a b", "letters"]),
        ("[kafka]\nbrokers = [\"a:1\"]\nsecurity = \"sasl_tls\"", ["kafka.security", "password"]),
        ("[kafka]\nbrokers = 7", ["line 2", "HOST:PORT"]),
        ("[clickhouse]\nurl = \"a\"", ["clickhouse.url = a", "http://"]),
        ("[kafka]\nbrokers = \"http://a:1\"", ["kafka.brokers", "HOST:PORT"]),
        ("[kafka]\nbrokers = \"a:1\"\npartitions = 0", ["kafka.partitions = 0", "1 to 1000"]),
        ("[clickhouse]\nurl = \"http://a/ b\"", ["clickhouse.url = http://a/ b", "http://127"]),
        ("[clickhouse]\nurl = \"http://a/?x=1\"", ["clickhouse.url = http://a/:", "http://127"]),
        ("[clickhouse]\nurl = \"http://a\"\ndatabase = \"1\"", ["clickhouse.database", "letters"]),
        ("[limits]\npages_per_site_day = 0", ["limits.pages_per_site_day", "from 1"]),
        ("[notice]\nlanguage = \"de\"", ["notice.language = \"de\"", "\"sv\""]),
        ("[notice]\ntracker = \"gif\"", ["notice.tracker = \"gif\"", "\"log\""]),
        (
            "compat = [\"matomo\"]\n[notice]\ntracker = \"log\"",
            ["notice.tracker = \"log\": the pages carry", "notice.imports_logs = true"],
        ),
        (
            "[kafka]\nbrokers = \"a:1\"\n[notice]\ntracker = \"log\"",
            ["notice.tracker = \"log\": a log is counted into", "\"script\" or \"pixel\""],
        ),
        ("[notice]\nlog_days = 9999", ["notice.log_days = 9999", "3650"]),
        (
            "[notice]\nimports_totals = [\"piwik\"]",
            ["notice.imports_totals = \"piwik\"", "\"matomo\""],
        ),
        ("[notice]\nimports_logs = 1", ["line 2", "imports_logs"]),
        ("[notice]\nsince = \"today\"", ["notice.since = \"today\"", "2026-11-21"]),
        ("[notice]\nbackup_days = 9999", ["notice.backup_days = 9999", "3650"]),
        ("[notice]\ndpo = \"a\\nb\"", ["notice.dpo", "one line"]),
        ("[notice]\npurpose_sv = \"samtycke krävs inte\"", ["notice.purpose_sv", "`samtycke"]),
        ("[notice]\npurpose = \"x\"", ["line 2", "purpose"]),
    ] {
        let message = error(text);
        assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let twice = |key: &str| {
        let site = |host: &str| format!("[[sites]]\nhost = \"{host}\"\n{key}\n");
        error(&(site("a.b") + &site("c.d")))
    };
    assert!(twice("matomo_id = 3").contains("sites.matomo_id = 3: named twice"));
    let id = "0b0a1bdd-4a1b-4ad1-8f80-0d9c4c6ff1c5";
    assert!(twice(&format!("umami_id = \"{id}\"")).contains(&format!("umami_id = {id}: named")));
    let topic = "t".repeat(246);
    let long = error(&format!("[kafka]\nbrokers = \"a:1\"\ntopic = \"{topic}\""));
    assert!(long.contains("kafka.topic") && long.contains("1 to 245"), "{long}");
    let unknown = load("", &[("HEADCOUNT_NOPE", "1")], Flags::default()).err().unwrap();
    assert!(unknown.to_string().contains("HEADCOUNT_NOPE"));
}

#[test]
fn a_password_in_an_address_is_refused_and_not_shown() {
    for url in [
        "http://me:tulip@ch:8123",
        "http://me:a@tulip@ch:8123/",
        "http://ch:8123/?user=me&password=tulip",
        "http://me:x?tulip@ch:8123",
        "me:tulip@ch:8123",
        "ch:8123#tulip",
    ] {
        let message = error(&format!("[clickhouse]\nurl = \"{url}\""));
        assert!(message.contains("clickhouse.url = ") && message.contains("ch:8123"), "{message}");
        assert!(message.contains("password_file") && !message.contains("tulip"), "{message}");
    }
}

#[test]
fn other_tools_are_answered_where_they_are_named() {
    use headcount_collector::compat::Client;
    let config = load("compat = [\"plausible\", \"matomo\"]", &[], Flags::default()).unwrap();
    let has = |config: &Config| Client::NAMES.map(|(_, client)| config.compat.has(client));
    assert_eq!(has(&config), [true, false, false, true]);
    let environment = [("HEADCOUNT_COMPAT", "umami, goatcounter")];
    let config = load("compat = [\"matomo\"]", &environment, Flags::default()).unwrap();
    assert_eq!(has(&config), [false, true, true, false]);
    assert_eq!(has(&load("", &[], Flags::default()).unwrap()), [false; 4]);
}
