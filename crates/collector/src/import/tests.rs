//! Lines to cells, as an import judges them.

use headcount_core::page::PagePolicy;
use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;
use headcount_core::time::ManualClock;

use super::*;

/// 2026-11-21T12:00:00Z.
const NOW: u64 = 1_795_262_400;
const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/131.0.0.0 Safari/537.36";

fn judge(change: impl FnOnce(&mut LogSetting)) -> LogJudge {
    let host = SiteHost::parse("example.org").unwrap();
    let rules = SiteRules::new(host.clone(), vec![], PagePolicy::standard(), vec![]).unwrap();
    let limit = 1_000;
    let mut setting = LogSetting {
        site: SiteSetting { host, aliases: vec![], rules, umami_id: None, matomo_id: None },
        addresses: AddressSource::new(&["10.0.0.0/8".into()], Some("x-forwarded-for")).unwrap(),
        countries: Countries::embedded().unwrap(),
        visitors: Some(1),
        release: ReleaseRule { crowd: 2, admission: false },
        names: NameLimits {
            pages_per_site_day: limit,
            targets_per_site_day: limit,
            sources_per_site_day: limit,
            campaigns_per_site_day: limit,
            names_total: limit * 10,
        },
        oldest: Day(20_000),
        rules: LineRules::default(),
        clock: Arc::new(ManualClock::at(NOW)),
    };
    change(&mut setting);
    LogJudge::start(setting).unwrap()
}

fn line(address: &str, day: u32, asked: &str, status: u16) -> String {
    format!(
        "{address} - - [{day:02}/Nov/2026:10:30:00 +0100] \"{asked}\" {status} 512 \"-\" \"{CHROME}\""
    )
}

fn views(batches: &[Batch]) -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    for (_, key, counts) in batches.iter().flat_map(Batch::cells) {
        if let CellKey::Page { hour, page } = key {
            assert_eq!(hour.of_day(), 9, "the line's own offset");
            found.push((page.to_owned(), counts.views, counts.visitors));
        }
    }
    found
}

#[test]
fn counts_pages_in_their_own_hour_and_visitors_once_a_day() {
    let (mut judge, mut pending) = (judge(|_| ()), Pending::default());
    for (address, day, asked) in [
        ("198.51.100.7", 20, "GET /a?x=1 HTTP/1.1"),
        ("198.51.100.9", 20, "GET /a HTTP/1.1"),
        ("198.51.100.7", 19, "GET /a HTTP/1.1"),
        ("203.0.113.7", 20, "GET /users/anna HTTP/1.1"),
    ] {
        assert!(
            judge
                .take(line(address, day, asked, 200).as_bytes(), Part::Everything, &mut pending)
                .is_ok()
        );
    }
    let found = views(&judge.pages(&mut pending));
    let own = |page: &str, views, visitors| (page.to_owned(), views, visitors);
    assert_eq!(found, [own("/a", 1, 1), own("/a", 2, 1), own("/users/:id", 1, 1)]);
    assert!(judge.pages(&mut pending).is_empty());
}

#[test]
fn what_is_no_view_has_a_reason() {
    let mut judge = judge(|_| ());
    let mut check = |line: &str, expect| {
        let mut pending = Pending::default();
        assert_eq!(
            judge.take(line.as_bytes(), Part::Everything, &mut pending),
            Err(expect),
            "{line}"
        );
        assert_eq!(pending.len(), usize::from(matches!(expect, Skipped::Refused(_))), "{line}");
    };
    let get = "GET /a HTTP/1.1";
    check("", Skipped::Unreadable);
    check("rubbish", Skipped::Unreadable);
    check(&"x".repeat(LINE_BYTES_MAX + 1), Skipped::Unreadable);
    check(&line("192.0.2.1", 20, "POST /a HTTP/1.1", 200), Skipped::Method);
    check(&line("192.0.2.1", 20, "\\x16\\x03", 400), Skipped::Method);
    check(&line("192.0.2.1", 20, get, 404), Skipped::Status);
    check(&line("192.0.2.1", 20, "GET /a/b.css?v=1 HTTP/1.1", 200), Skipped::NoPage);
    check(&line("192.0.2.1", 22, get, 200), Skipped::Future);
    check(&line("192.0.2.1", 20, get, 200).replace("2026", "2006"), Skipped::Retention);
    let robot = line("192.0.2.1", 20, get, 200).replace(CHROME, "Googlebot/2.1");
    check(&robot, Skipped::Refused(RefusalReason::Robot));
    check(&format!("other.net:443 {}", line("192.0.2.1", 20, get, 200)), Skipped::Host);
    let caddy = |header: &str| {
        format!(
            "{{\"ts\":1795000000.5,\"request\":{{\"remote_ip\":\"192.0.2.1\",\"method\":\"GET\",\
             \"host\":\"example.org\",\"uri\":\"/a\",\"headers\":{{\"User-Agent\":[\"{CHROME}\"],\
             {header}}}}},\"status\":200}}"
        )
    };
    check(&caddy("\"Sec-Gpc\":[\"1\"]"), Skipped::Refused(RefusalReason::Gpc));
    check(&caddy("\"Dnt\":[\"1\"]"), Skipped::Refused(RefusalReason::Dnt));
    check(&caddy("\"Purpose\":[\"prefetch\"]"), Skipped::Refused(RefusalReason::Prefetch));
    let mut pending = Pending::default();
    let plain = caddy("\"Dnt\":[\"0\"]");
    assert!(judge.take(plain.as_bytes(), Part::Everything, &mut pending).is_ok());
}

#[test]
fn paths_with_an_ending_that_pages_do_not_have_are_none() {
    let rules = LineRules { without: vec!["/api/".into()], ..LineRules::default() };
    for page in ["/", "/a", "/a/", "/a.html", "/a.PHP?x=/b.css", "/v1.2", "/a.b/c", "/en. Och två"]
    {
        assert!(rules.is_page(page), "{page}");
    }
    for other in ["/a.css", "/favicon.ico", "/a.html.gz", "/robots.txt", "/api/x", "/a.PNG#x"] {
        assert!(!rules.is_page(other), "{other}");
    }
}

#[test]
fn attributes_of_a_running_day_wait_for_a_crowd_and_those_before_leave_alone() {
    let (mut judge, mut pending) = (judge(|_| ()), Pending::default());
    let asked = "GET /a HTTP/1.1";
    let take = |judge: &mut LogJudge, pending: &mut Pending, address, day| {
        judge.take(line(address, day, asked, 200).as_bytes(), Part::Everything, pending).unwrap()
    };
    take(&mut judge, &mut pending, "192.0.2.1", 20);
    assert!(judge.has_crowd(&pending) && !pending.has_past());
    take(&mut judge, &mut pending, "192.0.2.1", 21);
    assert!(pending.has_past() && !judge.has_crowd(&pending));
    assert_eq!(judge.past_attributes(&mut pending).len(), 1);
    assert!(!pending.has_past());
    take(&mut judge, &mut pending, "192.0.2.9", 21);
    assert!(!judge.has_crowd(&pending), "the same visitor");
    take(&mut judge, &mut pending, "198.51.100.1", 21);
    assert!(judge.has_crowd(&pending));
    let views: u64 = judge
        .attributes(&mut pending)
        .iter()
        .flat_map(Batch::cells)
        .filter(|(_, key, _)| matches!(key, CellKey::Attribute { attribute: Attribute::Os, .. }))
        .map(|(_, _, counts)| counts.views)
        .sum();
    assert_eq!(views, 3);
    assert_eq!(pending.len(), judge.pages(&mut pending).iter().map(Batch::len).sum::<usize>());
}

#[test]
fn what_was_counted_is_remembered_and_not_counted() {
    let (mut judge, mut pending) = (judge(|_| ()), Pending::default());
    let line = line("192.0.2.1", 20, "GET /a HTTP/1.1", 200);
    assert!(judge.take(line.as_bytes(), Part::Nothing, &mut pending).is_ok());
    assert!(pending.is_empty());
    assert!(judge.take(line.as_bytes(), Part::Attributes, &mut pending).is_ok());
    assert!(judge.pages(&mut pending).is_empty());
    assert!(judge.take(line.as_bytes(), Part::Everything, &mut pending).is_ok());
    assert_eq!(views(&judge.pages(&mut pending)), [("/a".to_owned(), 1, 0)]);
}

#[test]
fn strict_names_wait_for_three_visitors() {
    let release = ReleaseRule { crowd: 2, admission: true };
    let (mut judge, mut pending) = (judge(|setting| setting.release = release), Pending::default());
    for (address, page) in
        [("192.0.2.1", "/a"), ("198.51.100.1", "/a"), ("203.0.113.1", "/a"), ("192.0.2.1", "/b")]
    {
        let line = line(address, 20, &format!("GET {page} HTTP/1.1"), 200);
        judge.take(line.as_bytes(), Part::Everything, &mut pending).unwrap();
    }
    let found = views(&judge.pages(&mut pending));
    assert_eq!(found, [(OTHER.to_owned(), 1, 1), ("/a".to_owned(), 3, 3)]);
}

#[test]
fn names_of_days_that_are_gone_are_forgotten() {
    let (mut judge, mut pending) = (judge(|_| ()), Pending::default());
    for day in [18, 19, 20] {
        let line = line("192.0.2.1", day, "GET /a HTTP/1.1", 200);
        let day = judge.take(line.as_bytes(), Part::Everything, &mut pending).unwrap();
        assert_eq!(views(&judge.pages(&mut pending)).len(), 1);
        judge.attributes(&mut pending);
        judge.tidy(day);
        // A page and eight values.
        assert_eq!(judge.shared.names.total(), 9);
    }
}

#[test]
fn the_last_day_is_that_of_a_view_or_of_a_refusal() {
    let (mut judge, mut pending) = (judge(|_| ()), Pending::default());
    let asked = "GET /a HTTP/1.1";
    let robot = |day| line("192.0.2.1", day, asked, 200).replace(CHROME, "Googlebot/2.1");
    let of = |day: u32| Hour::of_unix(NOW).day().minus(21 - day);
    for (line, part, expect) in [
        (line("192.0.2.1", 20, asked, 404), Part::Everything, Day(0)),
        (robot(18), Part::Everything, of(18)),
        (line("192.0.2.1", 19, asked, 200), Part::Everything, of(19)),
        (robot(20), Part::Everything, of(20)),
        (robot(17), Part::Everything, of(20)),
        (robot(21), Part::Nothing, of(21)),
    ] {
        let _taken = judge.take(line.as_bytes(), part, &mut pending);
        assert_eq!(pending.last_day(), expect, "{line}");
    }
}

/// Reads one visitor's line of the 20th again, and gives who is new on the page.
fn again(judge: &mut LogJudge, page: &str) -> Vec<(String, u64, u64)> {
    let (line, mut pending) = (line("192.0.2.1", 20, page, 200), Pending::default());
    judge.take(line.as_bytes(), Part::Everything, &mut pending).unwrap();
    views(&judge.pages(&mut pending))
}

#[test]
fn a_visitor_is_known_until_midnight_whatever_day_a_line_is_of() {
    let clock = Arc::new(ManualClock::at(NOW));
    let mut judge = judge(|setting| setting.clock = Arc::clone(&clock) as Arc<dyn Clock>);
    let keeper = judge.keeper();
    let agents = judge.shared.agents.bytes();
    let check = |judge: &mut LogJudge, when: u64, expect: &[u64]| {
        clock.set(when);
        for visitors in expect {
            let own = |visitors| vec![("/a".to_owned(), 1, visitors)];
            assert_eq!(again(judge, "GET /a HTTP/1.1"), own(*visitors), "{}", when - NOW);
        }
    };
    let midnight = NOW + 12 * 3_600;
    check(&mut judge, NOW, &[1, 0]);
    check(&mut judge, midnight - 1, &[0]);
    check(&mut judge, midnight, &[1, 0]);
    let marks = |judge: &LogJudge| judge.shared.visitors.as_ref().unwrap().marks();
    // The next one comes, and no line with it.
    keeper.keep();
    assert!(marks(&judge) > 0 && judge.shared.agents.bytes() != agents);
    clock.set(midnight + 24 * 3_600);
    keeper.keep();
    assert_eq!(marks(&judge), 0, "of yesterday");
    check(&mut judge, midnight + 24 * 3_600, &[1, 0]);
}

#[test]
fn one_visitor_of_three_days_admits_no_page() {
    let clock = Arc::new(ManualClock::at(NOW));
    let mut judge = judge(|setting| {
        setting.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        setting.release = ReleaseRule { crowd: 2, admission: true };
    });
    for day in 0..4 {
        clock.set(NOW + day * 24 * 3_600);
        let found = again(&mut judge, "GET /jane-doe HTTP/1.1");
        assert_eq!(found, [(OTHER.to_owned(), 1, 1)], "{day}");
    }
}

#[test]
fn the_key_turns_when_the_filter_is_full_whatever_was_counted_before() {
    let line = |n: u32| line(&format!("198.51.{n}.1"), 20, "GET /a HTTP/1.1", 200);
    let keys = |part| {
        let (mut judge, mut pending) = (judge(|_| ()), Pending::default());
        assert_eq!(judge.marks_max, 1024 * 1024 / 2);
        judge.marks_max = 20;
        let mut keys = Vec::new();
        for n in 0..40 {
            judge.take(line(n).as_bytes(), part, &mut pending).unwrap();
            assert!(judge.marks <= judge.marks_max);
            keys.push(judge.turn);
        }
        keys
    };
    let read_again = keys(Part::Nothing);
    assert_eq!(read_again.last(), read_again.first().map(|first| first + 3).as_ref());
    assert_eq!(keys(Part::Everything), read_again);
}
