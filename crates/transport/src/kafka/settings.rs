//! How a Kafka cluster is reached: addresses, names, security.
//!
//! What it is not: a way to every option of the client. What correctness rests on is fixed in the
//! code.
//!
//! What surprises: certificates are always checked, and there is no setting to change that. A
//! cluster with its own authority needs `ca_file`.

use std::path::PathBuf;

use headcount_core::secret::Secret;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use super::KafkaError;

/// How the clients name themselves to the broker.
const CLIENT_ID: &str = "headcount";
/// Bytes of a topic's name at most. Kafka itself takes 249, but a ledger keeps a partition under
/// `kafka:TOPIC:PARTITION`, and that may have 255.
pub const TOPIC_BYTES_MAX: usize = 245;
/// Bytes of a group's name at most.
const GROUP_BYTES_MAX: usize = 249;
/// Partitions at most: more than any deployment needs, and a typing error is found.
pub const PARTITIONS_MAX: u32 = 1_000;
/// How long a client waits between two tries to connect, at most. The library's own ten seconds
/// would be most of an outage.
const RECONNECT_PAUSE_MAX_MS: u32 = 2_000;

/// What is needed to speak to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `host:port`, several separated by commas: where to begin; the cluster tells the rest.
    pub brokers: String,
    /// The topic of the batches.
    pub topic: String,
    /// The consumer group of the aggregators.
    pub group: String,
    /// How many partitions the topic has. It cannot change: a site's place depends on it.
    pub partitions: u32,
    /// What the connection is wrapped in.
    pub security: Security,
    /// Whom to be; nobody in particular if absent.
    pub login: Option<Login>,
}

/// What a connection is wrapped in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing: for a network that is trusted, and for tests.
    Plaintext,
    /// TLS; the broker's certificate is checked against its name.
    Tls {
        /// Authorities to trust, as PEM; those of the system if absent.
        ca_file: Option<PathBuf>,
    },
}

/// A user and how the password is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The way of proof.
    pub mechanism: Mechanism,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How a password is proved to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Sent as it is: use it inside TLS.
    Plain,
    /// Proved without being sent.
    ScramSha256,
    /// Likewise.
    ScramSha512,
}

impl Mechanism {
    /// Kafka's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Settings {
    /// Checks everything that can be checked without a connection.
    ///
    /// # Errors
    /// [`KafkaError::Setting`] with the key, the value and what would be right.
    pub fn check(&self) -> Result<(), KafkaError> {
        if !self.brokers.split(',').all(is_address) {
            let right = "HOST:PORT, such as 127.0.0.1:9092, several separated by commas";
            return refuse("brokers", &self.brokers, right);
        }
        if !is_name(&self.topic, TOPIC_BYTES_MAX) {
            return refuse("topic", &self.topic, "1 to 245 of the letters a-z A-Z 0-9 . _ -");
        }
        if !is_name(&self.group, GROUP_BYTES_MAX) {
            return refuse("group", &self.group, "1 to 249 of the letters a-z A-Z 0-9 . _ -");
        }
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            return refuse("partitions", &self.partitions.to_string(), "1 to 1000");
        }
        if let Security::Tls { ca_file: Some(file) } = &self.security
            && !file.is_file()
        {
            let right = "a readable file of certificates in PEM";
            return refuse("ca_file", &file.display().to_string(), right);
        }
        match &self.login {
            Some(login) if login.username.is_empty() => refuse("username", "", "a user's name"),
            Some(login) if login.password.text().is_empty() => refuse("password", "", "a password"),
            _ => Ok(()),
        }
    }

    /// What every client of ours is told.
    ///
    /// # Errors
    /// Those of [`Settings::check`].
    pub(super) fn client(&self) -> Result<ClientConfig, KafkaError> {
        self.check()?;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", CLIENT_ID)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", RECONNECT_PAUSE_MAX_MS.to_string())
            .set("statistics.interval.ms", "0")
            .set("allow.auto.create.topics", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        let protocol = match (&self.security, &self.login) {
            (Security::Plaintext, None) => "plaintext",
            (Security::Plaintext, Some(_)) => "sasl_plaintext",
            (Security::Tls { .. }, None) => "ssl",
            (Security::Tls { .. }, Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Security::Tls { ca_file } = &self.security {
            let location = ca_file.as_ref().map(|file| file.display().to_string());
            // Without "probe" the library looks where its OpenSSL was built, which may be nowhere.
            config
                .set("ssl.ca.location", location.as_deref().unwrap_or("probe"))
                .set("enable.ssl.certificate.verification", "true")
                .set("ssl.endpoint.identification.algorithm", "https");
        }
        if let Some(login) = &self.login {
            config
                .set("sasl.mechanism", login.mechanism.as_str())
                .set("sasl.username", &login.username)
                .set("sasl.password", login.password.text());
        }
        Ok(config)
    }
}

/// Whether Kafka takes a text as the name of a topic; groups are named alike here.
fn is_name(text: &str, bytes_max: usize) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let in_length = (1..=bytes_max).contains(&text.len());
    in_length && text.bytes().all(is_letter) && ![".", ".."].contains(&text)
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    !host.is_empty()
        && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn refuse(key: &'static str, found: &str, right: &'static str) -> Result<(), KafkaError> {
    Err(KafkaError::Setting { key, found: found.escape_debug().to_string(), right })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings {
            brokers: "kafka-1:9092,[::1]:9093".to_owned(),
            topic: "headcount".to_owned(),
            group: "headcount".to_owned(),
            partitions: 4,
            security: Security::Tls { ca_file: None },
            login: Some(Login {
                mechanism: Mechanism::ScramSha512,
                username: "u".to_owned(),
                password: Secret::new("swordfish".to_owned()),
            }),
        }
    }

    #[test]
    fn every_setting_is_checked() {
        assert!(good().check().is_ok());
        let check = |change: fn(&mut Settings), expect: &str| {
            let mut settings = good();
            change(&mut settings);
            let text = settings.check().unwrap_err().to_string();
            assert!(text.contains(expect), "{text}");
        };
        check(|s| s.brokers = "kafka".to_owned(), "brokers");
        check(|s| s.brokers = "http://kafka:9092".to_owned(), "brokers");
        check(|s| s.brokers = "kafka:9092,".to_owned(), "brokers");
        check(|s| s.brokers = "kafka:0".to_owned(), "brokers");
        check(|s| s.topic = "a b".to_owned(), "topic");
        check(|s| s.topic = "..".to_owned(), "topic");
        check(|s| s.topic = "x".repeat(TOPIC_BYTES_MAX + 1), "1 to 245");
        check(|s| s.group = String::new(), "group");
        check(|s| s.partitions = 0, "partitions");
        check(|s| s.security = Security::Tls { ca_file: Some("/nowhere".into()) }, "ca_file");
        check(|s| s.login.as_mut().unwrap().username.clear(), "username");
        check(|s| s.login.as_mut().unwrap().password = Secret::new(String::new()), "password");
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = format!("{:?}", good());
        assert!(shown.contains("REDACTED") && !shown.contains("swordfish"), "{shown}");
    }

    #[test]
    fn certificates_are_always_checked() {
        let config = good().client().unwrap();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("ssl.ca.location"), Some("probe"));
        assert_eq!(config.get("enable.ssl.certificate.verification"), Some("true"));
        assert_eq!(config.get("ssl.endpoint.identification.algorithm"), Some("https"));
        let native = config.create_native_config().unwrap();
        assert_eq!(native.get("client.id").unwrap(), CLIENT_ID);
    }

    #[test]
    fn wrapping_and_login_go_together_in_every_way() {
        let mut settings = good();
        settings.security = Security::Plaintext;
        assert_eq!(settings.client().unwrap().get("security.protocol"), Some("sasl_plaintext"));
        settings.login = None;
        assert_eq!(settings.client().unwrap().get("security.protocol"), Some("plaintext"));
        settings.security = Security::Tls { ca_file: None };
        assert_eq!(settings.client().unwrap().get("security.protocol"), Some("ssl"));
    }
}
