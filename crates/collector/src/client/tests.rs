//! What the rules must say of real agents, of robots, and of noise.
//!
//! What it is not: a survey of browsers. The list holds what a Swedish newspaper or a town hall
//! would see in a month, and the oddities that once broke a rule.
//!
//! What surprises: the robots are the kept list's own examples, so their share says that the list
//! was compiled right, not how many robots there are in the world.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use headcount_core::cell::Attribute;
use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = [7; 32];
/// Agent, browser, system, device; tab between them.
const AGENTS: &str = include_str!("tests/agents.tsv");
const ROBOTS: &str = include_str!("../../data/robot-agents.txt");

static RULES: LazyLock<Arc<ClientRules>> = LazyLock::new(|| Arc::new(ClientRules::load().unwrap()));

fn clients() -> Clients {
    Clients::new(Arc::clone(&RULES), KEY)
}

fn classify(agent: &str) -> Client {
    RULES.classify(agent.as_bytes())
}

fn agents() -> impl Iterator<Item = &'static str> {
    AGENTS.lines().filter_map(|line| line.split('\t').next())
}

#[test]
fn real_agents_have_their_names() {
    assert!(agents().count() >= 60);
    let said = |line: &str| {
        let agent = line.split('\t').next().unwrap();
        let Client { family, robot } = classify(agent);
        assert!(!robot, "{agent}");
        format!("{agent}\t{}\t{}\t{}", family.browser, family.os, family.device.as_str())
    };
    let wrong: Vec<(String, &str)> =
        AGENTS.lines().map(|line| (said(line), line)).filter(|(said, line)| said != line).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn browsers_of_every_version_are_no_robots() {
    let mut seen = 0;
    for version in [52, 90, 104, 126, 143, 150] {
        for agent in agents() {
            let agent = agent.replace("126.0", &format!("{version}.0"));
            assert!(!classify(&agent).robot, "{agent}");
            seen += 1;
        }
    }
    assert!(seen >= 100);
}

#[test]
fn robots_of_the_list_are_robots() {
    let missed: Vec<&str> = ROBOTS.lines().filter(|agent| !classify(agent).robot).collect();
    let headless = |agent: &&str| agent.contains("HeadlessChrome");
    let missed: Vec<&str> = missed.into_iter().filter(|agent| !headless(agent)).collect();
    let total = ROBOTS.lines().count();
    assert!(missed.len() * 100 <= total, "{} of {total}: {missed:#?}", missed.len());
}

#[test]
fn robots_by_their_own_word_are_robots() {
    for agent in [
        "",
        "  ",
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Python/3.12 aiohttp/3.9.5",
        "Go-http-client/2.0",
        "okhttp/4.12.0",
        "axios/1.7.2",
        "node",
        "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
        "Java/17.0.11",
        "Apache-HttpClient/4.5.14 (Java/17.0.11)",
        "PostmanRuntime/7.39.0",
        "GuzzleHttp/7",
        "Dart/3.4 (dart:io)",
        "Mozilla/5.0 (compatible; brandnewbot/0.1; +https://example.org/bot)",
        "Mozilla/5.0 (compatible; Some New Crawler)",
        "TinyBot",
        "research-spider by someone@example.org",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
    ] {
        let client = classify(agent);
        assert!(client.robot, "{agent}");
        assert_eq!(client.family, ClientFamily::UNKNOWN);
    }
}

#[test]
fn headless_chrome_is_no_robot() {
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36";
    let expect = ClientFamily { browser: "Chrome", os: "Linux", device: Device::Desktop };
    assert_eq!(classify(agent), Client { family: expect, robot: false });
}

#[test]
fn only_the_first_bytes_count() {
    let agent = agents().next().unwrap();
    let padded = format!("{agent:<AGENT_BYTES_MAX$}");
    let longer = format!("{padded}Googlebot/2.1");
    assert_eq!(classify(&longer), classify(agent));
    assert_eq!(clients().lookup(longer.as_bytes()), clients().lookup(padded.as_bytes()));
}

#[test]
fn memory_is_bounded_and_used_agents_stay() {
    let mut clients = clients();
    let kept = agents().next().unwrap().as_bytes();
    for number in 0..3 * CLIENTS_CACHED_MAX {
        clients.lookup(format!("bot/{number}").as_bytes());
        clients.lookup(kept);
        assert!(clients.len() <= CLIENTS_CACHED_MAX);
    }
    assert!(clients.remembers(kept) && !clients.remembers(b"bot/0"));
}

#[test]
fn digests_need_the_key() {
    let mut other = Clients::new(Arc::clone(&RULES), [8; 32]);
    assert_ne!(clients().lookup(b"x").1, other.lookup(b"x").1);
    assert_eq!(clients().lookup(b"x").1, clients().lookup(b"x").1);
}

/// The close of a day counts on these.
#[test]
fn lists_are_as_long_as_it_is_said() {
    for (attribute, names) in [
        (Attribute::Device, Device::ALL.map(Device::as_str).to_vec()),
        (Attribute::Browser, browsers().collect()),
        (Attribute::Os, systems().collect()),
    ] {
        let names = names.into_iter().collect::<HashSet<_>>().len();
        let said = usize::try_from(attribute.values_min().unwrap()).unwrap();
        assert!(names >= said, "{attribute:?}: {names} names, {said} are said");
    }
}

/// Strings made of the pieces of real agents, in any order, with noise between.
fn any_agent() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&str> = agents().flat_map(|agent| agent.split_inclusive([' ', ';'])).collect();
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(|text| text.as_bytes().to_vec()),
        1 => "[ -~]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn names_come_from_the_closed_lists(agent in any_agent()) {
        let Client { family, .. } = RULES.classify(&agent);
        prop_assert!(browsers().any(|name| name == family.browser));
        prop_assert!(systems().any(|name| name == family.os));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn remembered_equals_parsed(agents in prop::collection::vec(any_agent(), 1..40)) {
        let mut clients = clients();
        for agent in agents.iter().chain(agents.iter().rev()) {
            prop_assert_eq!(clients.lookup(agent).0, RULES.classify(agent));
            prop_assert!(clients.len() <= CLIENTS_CACHED_MAX);
        }
    }
}
