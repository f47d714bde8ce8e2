//! The ways to the other parts of a cluster: do they leave this machine, and are they encrypted?
//!
//! What it is not: a refusal. A closed network may carry plain text; nobody here can see whether it is one.
//!
//! What surprises: a name that leads to this machine counts as another machine. Only an address of the
//! loopback, and `localhost`, are known to be here without asking anybody.

use ipnet::IpNet;

use crate::config::Config;

/// A way to another part of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Where it leads, as the settings say.
    pub(crate) to: String,
    pub(crate) leaves_machine: bool,
    pub(crate) is_encrypted: bool,
}

impl Way {
    /// Whether somebody between here and there could read along.
    pub(crate) fn is_open(&self) -> bool {
        self.leaves_machine && !self.is_encrypted
    }

    /// Says so in the log, with what mends it.
    fn warn(&self, part: &str, mend: &str) {
        if self.is_open() {
            tracing::warn!(
                part,
                to = self.to,
                mend,
                "this connection is plain text and leaves the machine"
            );
        }
    }
}

/// The way to Kafka, where the settings name one.
pub(crate) fn to_kafka(config: &Config) -> Option<Way> {
    let raw = config.kafka.as_ref()?;
    Some(Way {
        to: raw.brokers.join(", "),
        leaves_machine: !raw.brokers.iter().all(|broker| is_here(host_of(broker))),
        is_encrypted: raw.security.ends_with("tls"),
    })
}

/// The way to ClickHouse, where the settings name one.
pub(crate) fn to_clickhouse(config: &Config) -> Option<Way> {
    let raw = config.clickhouse.as_ref()?;
    let (scheme, rest) = raw.url.split_once("://").unwrap_or(("", &raw.url));
    let to = rest.split('/').next().unwrap_or_default().to_owned();
    let leaves_machine = !is_here(host_of(&to));
    Some(Way { to, leaves_machine, is_encrypted: scheme == "https" })
}

/// For a room that speaks to Kafka: a line in the log if others could read along.
pub(crate) fn warn_kafka(config: &Config) {
    if let Some(way) = to_kafka(config) {
        way.warn("kafka", "kafka.security = \"tls\" or \"sasl_tls\"");
    }
}

/// For a room that speaks to ClickHouse.
pub(crate) fn warn_clickhouse(config: &Config) {
    if let Some(way) = to_clickhouse(config) {
        way.warn("clickhouse", "clickhouse.url = \"https://…:8443\"");
    }
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

/// Whether a host is this machine.
pub(crate) fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let bits = if host.contains(':') { 128 } else { 32 };
    let Ok(address) = format!("{host}/{bits}").parse::<IpNet>() else { return host == "localhost" };
    let mut here = ["127.0.0.0/8", "::1/128"].iter().filter_map(|net| net.parse::<IpNet>().ok());
    here.any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_is_here() {
        for host in ["localhost", "127.0.0.1", "127.3.2.1", "::1", "[::1]"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["kafka", "10.0.0.1", "0.0.0.0", "fe80::1", "localhost.example.org", ""] {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn a_way_is_open_when_one_of_its_ends_is_elsewhere() {
        let open = |brokers: &str, security: &str, url: &str| {
            let text = format!(
                "[kafka]\nbrokers = [{brokers}]\nsecurity = \"{security}\"\n[clickhouse]\nurl = \"{url}\"\n"
            );
            let config = Config::of_text(&text).unwrap();
            [to_kafka(&config), to_clickhouse(&config)].map(|way| way.unwrap().is_open())
        };
        let here = "\"127.0.0.1:9092\"";
        assert_eq!(open(here, "plaintext", "http://[::1]:8123"), [false, false]);
        assert_eq!(
            open("\"127.0.0.1:9092\",\"k:9092\"", "plaintext", "http://c:8123"),
            [true, true]
        );
        assert_eq!(open("\"k:9093\"", "tls", "https://c:8443"), [false, false]);
    }
}
