//! Who can come in: visitors, analysts, operators.
//!
//! What it is not: a look at the firewall. It takes the machine for as open as the settings leave it.
//!
//! What surprises: a dashboard for everybody with a token is legitimate, so that is advice. Metrics
//! ask for no token: open to everybody, they weaken.

use super::super::facts::{Facts, Reach};
use super::{Level, Said, ok};

pub(super) fn listen(facts: &Facts) -> Option<Said> {
    let why = "without TLS, whoever is on the way reads which page a visitor opens";
    Some(match (facts.listen, facts.has_proxies) {
        (Reach::Machine, _) => ok("beacons come in on this machine only"),
        (_, true) => (
            Level::Advice,
            "beacons come in past the proxy, too".to_owned(),
            "who comes past it is not encrypted",
            "listen = \"127.0.0.1:8080\", or a firewall that lets the proxy alone through",
        ),
        (Reach::Private | Reach::Everybody, false) => (
            Level::Weakens,
            "beacons come in from other machines without TLS".to_owned(),
            why,
            "put deploy/proxy/ in front, and listen = \"127.0.0.1:8080\"",
        ),
    })
}

pub(super) fn trusted_proxies(facts: &Facts) -> Option<Said> {
    if facts.has_proxies {
        return Some(ok("visitors' addresses come from the proxies that are named"));
    }
    (facts.listen == Reach::Machine && facts.has_sites).then(|| {
        (
            Level::Advice,
            "sites are counted behind a proxy that is not named".to_owned(),
            "every visitor has the proxy's address: one visitor, one country, one limit for all",
            "trusted_proxies = [\"127.0.0.1\"], client_address_header = \"X-Forwarded-For\"",
        )
    })
}

pub(super) fn stats_listen(facts: &Facts) -> Option<Said> {
    let is_passed_on = facts.stats_share_listen && facts.has_proxies;
    Some(match (facts.stats_listen, facts.analysts_are_listed) {
        (Reach::Everybody, is_listed) => (
            Level::Advice,
            format!("dashboard and API answer to everybody who {}", held(is_listed)),
            "a link that got lost is enough from anywhere, and it travels without TLS",
            "stats_listen = \"127.0.0.1:8081\", behind a proxy with TLS and an allow list \
             (deploy/proxy/), or analyst_networks",
        ),
        (_, true) => ok("dashboard and API answer to analyst_networks alone"),
        (Reach::Private, false) => (
            Level::Advice,
            "dashboard and API answer to a whole private network, to who has a token".to_owned(),
            "a link that got lost is enough from anywhere in it",
            "analyst_networks = [\"10.1.2.0/24\"], the networks of those who may look",
        ),
        (Reach::Machine, false) if is_passed_on => (
            Level::Advice,
            "the proxy in front passes dashboard and API on for everybody who has a link or a token"
                .to_owned(),
            "a link that got lost is enough from anywhere",
            "analyst_networks = [\"192.0.2.0/24\"], or a stats_listen of its own (deploy/proxy/)",
        ),
        (Reach::Machine, false) => ok("dashboard and API answer on this machine only"),
    })
}

/// The session's cookie is `Secure` where the settings say that people come by HTTPS.
pub(super) fn stats_url(facts: &Facts) -> Option<Said> {
    if !facts.has_proxies {
        return None;
    }
    Some(if facts.is_reached_by_tls {
        ok("the session's cookie of the dashboard travels by TLS alone")
    } else {
        (
            Level::Advice,
            "behind a proxy, and no stats_url says that the dashboard is reached by https"
                .to_owned(),
            "the session's cookie is not marked Secure: a browser sends it without TLS, too",
            "stats_url = \"https://stats.example.org\"",
        )
    })
}

pub(super) fn ops_listen(facts: &Facts) -> Option<Said> {
    Some(match (facts.ops_listen, facts.operators_are_listed) {
        (Reach::Machine, _) => ok("health and metrics answer on this machine only"),
        (_, true) => ok("health and metrics answer to ops_networks alone"),
        (Reach::Private, false) => (
            Level::Advice,
            "health and metrics answer to every machine of a private network".to_owned(),
            "they ask for no token; they hold counts of hits, of no site by name",
            "ops_networks = [\"10.1.2.3\"], the monitoring, or ops_listen = \"127.0.0.1:9464\"",
        ),
        (Reach::Everybody, false) => (
            Level::Weakens,
            "health and metrics answer to everybody".to_owned(),
            "they ask for no token, and who polls them sees each hit arrive",
            "ops_listen = \"127.0.0.1:9464\", or ops_networks = [\"192.0.2.7\"], the monitoring",
        ),
    })
}

fn held(is_listed: bool) -> &'static str {
    if is_listed { "is in analyst_networks, without TLS" } else { "has a link or a token" }
}
