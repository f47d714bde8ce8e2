//! Putting a visitor together again from the order of the records: an attacker with the whole
//! topic and more knowledge than there ever is.
//!
//! What it is not: about the store, where batches are added up and their order is gone.
//!
//! What surprises: the attacker is told the site, the page and the turn in which a visitor came,
//! and still has to guess. Without the release rule the same attacker is right nearly always. A
//! crowd of eight is small, though: its sums tell some points more than those of the whole topic.
//! That is what `crowd` buys or does not; what is never told is which two belong together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{rewrite, stop};
use crate::cluster::{Cluster, shared};
use crate::dice::Dice;
use crate::server::{Deployment as _, ask};

/// What a busy site's records may tell the attacker beyond the sums of the topic, in 100.
const TOPIC_GAIN_MAX: f64 = 1.0;
/// The crowd of the preset `strict`.
const STRICT_CROWD: u64 = 20;
/// What chance alone puts between the attacker and the sums of the records, in 100: at most 3.5
/// standard deviations of a thousand visitors in crowds of eight.
const LINK_GAIN_MAX: f64 = 3.0;
/// What the sums of eight visitors may tell beyond those of the topic, in 100. They do tell more:
/// a country that few come from is in few crowds. 4.0 are expected, and of a thousand visitors chance
/// makes 8 or more once in ten thousand times.
const CROWD_GAIN_MAX: f64 = 8.0;
/// Longer than the time between two releases.
const PAUSE: Duration = Duration::from_millis(700);
/// Networks, their country, and its share in 100.
const COUNTRIES: [(&str, &str, u64); 8] = [
    ("129.240", "NO", 40),
    ("128.214", "FI", 18),
    ("141.30", "DE", 12),
    ("129.67", "GB", 10),
    ("130.89", "NL", 8),
    ("18.9", "US", 6),
    ("133.11", "JP", 4),
    ("143.107", "BR", 2),
];
/// Agents, their family, and its share in 100.
const BROWSERS: [(&str, &str, u64); 4] = [
    (crate::server::CHROME, "Chrome", 50),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Safari",
        25,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox", 15),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "Edge",
        10,
    ),
];
/// Pages, evenly.
const PAGES: [&str; 5] = ["/priser", "/om", "/kontakt", "/nyheter", "/blogg"];

/// How visitors come.
struct Traffic {
    /// Sites, each with a sender of its own.
    sites: usize,
    /// Visitors of one site between two pauses.
    at_once: usize,
    /// So many times.
    rounds: usize,
    /// Whether there are pauses, each longer than a release.
    paused: bool,
}

/// What is true of a visitor.
struct Visitor {
    page: &'static str,
    country: &'static str,
    browser: &'static str,
}

/// How often a guess of country and browser was right, in 100, and over how many it was made.
#[derive(Debug)]
struct Rates {
    attacker: f64,
    /// Whoever guesses the commonest of the whole topic.
    topic: f64,
    /// What the sums of each record alone promise, if nothing links them.
    unlinked: f64,
    visitors: usize,
    /// The fewest visitors in a record of attributes.
    least: u64,
}

fn draw<const N: usize>(
    dice: &mut Dice,
    of: &[(&'static str, &'static str, u64); N],
) -> (&'static str, &'static str) {
    let mut left = dice.roll() % 100;
    for (value, name, share) in of {
        if left < *share {
            return (value, name);
        }
        left -= share;
    }
    panic!("the shares are 100 in all");
}

fn host(site: usize) -> String {
    format!("site{site}.example.net")
}

/// One site's visitors, each with a network of its own, in order.
fn send(address: &str, site: usize, traffic: &Traffic) -> Vec<Visitor> {
    let mut dice = Dice(20_261_121 + site as u64);
    let mut sent = Vec::new();
    for round in 0..traffic.rounds {
        for turn in 0..traffic.at_once {
            let (network, country) = draw(&mut dice, &COUNTRIES);
            let (agent, browser) = draw(&mut dice, &BROWSERS);
            let page = dice.pick(&PAGES);
            let number = round * traffic.at_once + turn;
            // Agents differ as well: a network has 256 names only.
            let headers = format!(
                "User-Agent: {agent} v{}\r\nX-Forwarded-For: {network}.{}.7\r\n",
                number / 256,
                number % 256
            );
            let body = format!("{{\"s\":\"{}\",\"p\":\"{page}\"}}", host(site));
            assert_eq!(ask(address, "POST /hit", &headers, &body).unwrap().status, 204);
            sent.push(Visitor { page, country, browser });
        }
        if traffic.paused {
            std::thread::sleep(PAUSE);
        }
    }
    sent
}

/// Visitors by value.
type Sums = BTreeMap<String, u64>;

/// What one record says about one site: visitors by value, for each kind of cell.
type Said = BTreeMap<String, Sums>;

/// Per site, what every record says about it, in the order of the log.
fn said(cat: &str) -> BTreeMap<String, Vec<Said>> {
    let mut sites: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    let mut open: BTreeMap<String, Said> = BTreeMap::new();
    for line in cat.lines().chain(["end"]) {
        let Some(cell) = line.strip_prefix("  ") else {
            for (site, said) in std::mem::take(&mut open) {
                sites.entry(site).or_default().push(said);
            }
            continue;
        };
        let words: Vec<&str> = cell.split(' ').collect();
        let (site, kind, value) = (words[0], words[2], words[3]);
        let visitors = words.iter().find_map(|word| word.strip_prefix("visitors="));
        let visitors = visitors.map_or(0, |number| number.parse().unwrap());
        let said = open.entry(site.to_owned()).or_default();
        *said.entry(kind.to_owned()).or_default().entry(value.to_owned()).or_default() += visitors;
    }
    sites
}

fn commonest(sums: &Sums) -> (&str, f64) {
    let whole: u64 = sums.values().sum();
    let (value, most) = sums.iter().max_by_key(|(_, number)| **number).unwrap();
    let share = *most as f64 / whole as f64;
    (value, share)
}

/// The record in which a site's visitor number `turn` is: the first with which so many have come.
fn record_of<'a>(records: &'a [Said], kind: &str, turn: usize) -> Option<&'a Said> {
    let mut come = 0;
    records.iter().find(|said| {
        come += said.get(kind).map_or(0, |sums| sums.values().sum::<u64>());
        come > turn as u64
    })
}

fn attack(cat: &str, sent: &[Vec<Visitor>]) -> Rates {
    let sites = said(cat);
    let mut topic: Said = BTreeMap::new();
    let mut least = u64::MAX;
    for said in sites.values().flatten() {
        for (kind, sums) in said {
            for (value, visitors) in sums {
                *topic.entry(kind.clone()).or_default().entry(value.clone()).or_default() +=
                    visitors;
            }
        }
        if let Some(devices) = said.get("device") {
            least = least.min(devices.values().sum());
        }
    }
    // The countries are those that were meant.
    for (_, country, _) in COUNTRIES {
        let meant = sent.iter().flatten().filter(|visitor| visitor.country == country).count();
        let found = topic["country"].get(country).copied().unwrap_or_default();
        assert!(found <= meant as u64 && found + 100 > meant as u64, "{country} {found} {meant}");
    }
    let common = (commonest(&topic["country"]).0, commonest(&topic["browser"]).0);
    let (mut hits, mut by_topic, mut promised, mut visitors) = (0_u32, 0_u32, 0.0, 0);
    for (site, sent) in sent.iter().enumerate() {
        let records = &sites[&host(site)];
        for (turn, visitor) in sent.iter().enumerate() {
            // What waits for a crowd still says nothing to anybody.
            let Some(attributes) = record_of(records, "device", turn) else { continue };
            let pages = record_of(records, "page", turn).unwrap();
            assert!(pages["page"].contains_key(visitor.page), "the turn is not that of the record");
            let country = commonest(&attributes["country"]);
            let browser = commonest(&attributes["browser"]);
            let truth = (visitor.country, visitor.browser);
            hits += u32::from((country.0, browser.0) == truth);
            by_topic += u32::from(common == truth);
            promised += country.1 * browser.1;
            visitors += 1;
        }
    }
    let rate = |number: f64| 100.0 * number / visitors as f64;
    let (attacker, topic, unlinked) =
        (rate(f64::from(hits)), rate(f64::from(by_topic)), rate(promised));
    Rates { attacker, topic, unlinked, visitors, least }
}

/// Sends, waits until everything that may leave has left, and attacks.
fn rates(label: &str, crowd: u64, traffic: &Traffic) -> Rates {
    let hosts = (0..traffic.sites).map(|site| format!("[[sites]]\nhost = \"{}\"\n", host(site)));
    let settings = format!("crowd = {crowd}\n{}", hosts.collect::<String>());
    let mut cluster = Cluster::new(shared(), &settings);
    // One partition: the order of the log is then the order of everything.
    rewrite(&cluster, "partitions = 3", "partitions = 1");
    cluster.run(1, 1);
    let address = &cluster.collectors[0].address;
    let sent: Vec<Vec<Visitor>> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..traffic.sites)
            .map(|site| scope.spawn(move || send(address, site, traffic)))
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let accepted = cluster.collectors[0].metric("headcount_hits_accepted_total");
    assert_eq!(accepted, i64::try_from(sent.iter().flatten().count()).unwrap());
    cluster.wait_for("SELECT sum(visitors) FROM page_counts", accepted);
    stop(&mut cluster);
    let rates = attack(&cluster.cat(), &sent);
    #[expect(clippy::print_stderr, reason = "figures of the attack, shown with --nocapture")]
    {
        eprintln!("{label}: {rates:.1?}");
    }
    rates
}

#[test]
fn the_records_of_a_busy_site_tell_no_more_than_its_sums() {
    let traffic = Traffic { sites: 1, at_once: 1_000, rounds: 1, paused: false };
    let rates = rates("a crowd of 8, a busy site", 8, &traffic);
    assert!(rates.least >= 8 && rates.visitors > 900, "{rates:?}");
    assert!(rates.attacker <= rates.topic + TOPIC_GAIN_MAX, "{rates:?}");
    assert!(rates.attacker <= rates.unlinked + LINK_GAIN_MAX, "{rates:?}");
}

#[test]
fn the_records_of_quiet_sites_link_nothing() {
    let traffic = Traffic { sites: 10, at_once: 4, rounds: 25, paused: true };
    let rates = rates("a crowd of 8, quiet sites", 8, &traffic);
    assert!(rates.least >= 8 && rates.visitors > 900, "{rates:?}");
    assert!(rates.attacker <= rates.unlinked + LINK_GAIN_MAX, "{rates:?}");
    assert!(rates.attacker <= rates.topic + CROWD_GAIN_MAX, "{rates:?}");
}

/// Larger crowds are more like the whole: with these shares the sums of 20 visitors are expected to
/// tell 0.86 points more than those of the topic, and of 8 visitors 4.0.
#[test]
fn the_records_of_quiet_sites_tell_a_point_at_most_in_strict_crowds() {
    let traffic = Traffic { sites: 10, at_once: 20, rounds: 10, paused: true };
    let rates = rates("a crowd of 20, quiet sites", STRICT_CROWD, &traffic);
    assert!(rates.least >= STRICT_CROWD && rates.visitors > 1_800, "{rates:?}");
    assert!(rates.attacker <= rates.topic + TOPIC_GAIN_MAX, "{rates:?}");
    assert!(rates.attacker <= rates.unlinked + LINK_GAIN_MAX, "{rates:?}");
}

#[test]
fn without_the_release_rule_the_attacker_is_right() {
    let traffic = Traffic { sites: 10, at_once: 1, rounds: 20, paused: true };
    let rates = rates("a crowd of 1", 1, &traffic);
    assert!(rates.visitors > 150, "{rates:?}");
    assert!(rates.attacker > rates.topic + 50.0, "{rates:?}");
}
