//! What a text is made of: settings as words, and nothing that only a machine needs.
//!
//! What it is not: the configuration. Addresses of proxies, brokers and servers are reduced to
//! whether there are any: the texts are public, and so is their hash.
//!
//! What surprises: the sites are not part of the hash. It is the same for every site and language
//! of a deployment. What owners added to the policy for pages is part of it, of all sites together, and
//! so is the noise of what was published, which the data folder says and no setting.

use std::collections::BTreeMap;
use std::sync::Arc;

use headcount_collector::compat::Client;
use headcount_collector::totals::Tool;

use super::additions::{self, Additions};
use super::book::words;
use super::published::{self, Noise};
use crate::config::{Config, RawKafka};

/// The languages.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lang {
    /// English.
    En,
    /// Swedish.
    Sv,
}

impl Lang {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::En, Self::Sv];

    /// Its code (ISO 639-1).
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Sv => "sv",
        }
    }

    /// Its name, in itself.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Sv => "Svenska",
        }
    }

    /// The language of a code.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.code() == text)
    }
}

/// How the rooms are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All in one process.
    Embedded,
    /// Through Kafka into ClickHouse.
    Cluster,
}

impl Mode {
    /// As the settings have it: a cluster where they name one.
    pub(crate) fn of(config: &Config) -> Self {
        match (&config.kafka, &config.clickhouse) {
            (None, None) => Self::Embedded,
            _ => Self::Cluster,
        }
    }
}

/// What has a key for each language: texts of the owner, and lists.
const IN_EACH_LANGUAGE: [&str; 15] = [
    "notice.storage",
    "notice.legal_ground",
    "notice.purpose",
    "notice.recipients",
    "notice.changes",
    "tools",
    "listed",
    "templates",
    "strong_words",
    "weak_words",
    "additions",
    "totals",
    "published",
    "noise",
    "odds",
];
/// What is worked out of settings, and of which.
const WORKED_OUT: [(&str, &[&str]); 15] = [
    ("mode", &["kafka.brokers", "clickhouse.url"]),
    ("transport", &["kafka.security", "clickhouse.url"]),
    ("logs", &["notice.tracker", "notice.imports_logs"]),
    ("clicks", &["notice.tracker", "compat"]),
    ("tools", &["compat"]),
    ("matomo", &["compat"]),
    ("listed", &["sites.pages"]),
    ("templates", &["sites.pages"]),
    ("strong_words", &["sites.strong_words"]),
    ("weak_words", &["sites.weak_words"]),
    ("additions", &["sites.pages", "sites.strong_words", "sites.weak_words"]),
    ("totals", &["notice.imports_totals"]),
    ("published", &[published::KEY]),
    ("noise", &[published::KEY]),
    ("odds", &[published::KEY]),
];
/// The names of the tools behind `compat`, in the order of [`Client::NAMES`].
const TOOLS: [&str; 4] = ["Plausible", "Umami", "GoatCounter", "Matomo"];

/// What the texts are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    settings: BTreeMap<&'static str, String>,
    additions: Arc<[Additions]>,
    published: published::All,
    sites: Vec<String>,
    /// Lists in words, which depend on the sites.
    lists: BTreeMap<String, String>,
}

impl Facts {
    /// Takes of a configuration what the texts say.
    pub(crate) fn new(config: &Config, mode: Mode, sites: Vec<String>) -> Self {
        let set = |is_set: bool| if is_set { "set" } else { "" }.to_owned();
        let mut settings: BTreeMap<&'static str, String> =
            config.notice.texts().map(|(key, text)| (key, text.to_owned())).into();
        settings.extend([
            ("notice.tracker", config.notice.tracker.clone()),
            ("notice.log_days", config.notice.log_days.to_string()),
            ("logs", logs(config).to_owned()),
            ("clicks", set(config.notice.tracker == "script" || !tools(config).is_empty())),
            ("compat", tools(config).join(", ")),
            ("totals", totals(config).join(", ")),
            ("matomo", set(config.compat.has(Client::Matomo))),
            ("notice.backup_days", config.notice.backup_days.to_string()),
            ("visitors", if config.visitors { "daily" } else { "off" }.to_owned()),
            ("preset", if config.release.admission { "strict" } else { "standard" }.to_owned()),
            ("crowd", config.release.crowd.to_string()),
            ("k", config.k.to_string()),
            ("k_day", config.k_day.to_string()),
            ("retention_days", config.retention_days.to_string()),
            ("trusted_proxies", set(config.addresses.has_proxies())),
            ("country_file", set(config.country_file.is_some())),
            ("limits.hits_per_prefix_per_minute", {
                config.limits.hits_per_prefix_per_minute.to_string()
            }),
            ("limits.connections_per_prefix", config.limits.connections_per_prefix.to_string()),
            ("sites.events", set(config.sites.iter().any(|site| !site.events.is_empty()))),
            ("mode", if mode == Mode::Cluster { "cluster" } else { "embedded" }.to_owned()),
        ]);
        if mode == Mode::Cluster {
            let creates = config.kafka.as_ref().is_none_or(|kafka| kafka.create_topic);
            settings.insert("kafka.create_topic", creates.to_string());
            let way = if is_encrypted(config) { "encrypted" } else { "plain" };
            settings.insert("transport", way.to_owned());
        }
        let additions = Additions::all(config).into();
        let (published, lists) = (published::All::default(), BTreeMap::new());
        Self { settings, additions, published, sites, lists }.listed()
    }

    /// Of a configuration, and of what its data folder has published.
    ///
    /// # Errors
    /// If the folder's control file cannot be read.
    pub(crate) fn running(config: &Config, mode: Mode, sites: Vec<String>) -> anyhow::Result<Self> {
        Ok(Self::new(config, mode, sites).publishing(published::of_folder(config)?))
    }

    /// The same settings, for these sites.
    pub(crate) fn of_sites(&self, sites: Vec<String>) -> Self {
        Self { sites, ..self.clone() }.listed()
    }

    /// The same settings, where this was published.
    pub(crate) fn publishing(self, published: published::All) -> Self {
        Self { published, ..self }.listed()
    }

    /// With the lists that a text about these sites quotes, in each language.
    fn listed(mut self) -> Self {
        self.lists.clear();
        for lang in Lang::ALL {
            self.lists.extend(additions::told(&self.additions, &self.sites, lang));
            self.lists.extend(published::told(&self.published, &self.sites, lang));
            let or = self.named("compat", (lang, "or"));
            let and = self.named("totals", (lang, "and"));
            self.lists.extend([(key_in("tools", lang), or), (key_in("totals", lang), and)]);
        }
        self
    }

    /// A list of names with a word before the last one.
    fn named(&self, key: &str, (lang, word): (Lang, &str)) -> String {
        let names = self.settings.get(key).map_or("", String::as_str);
        match names.rsplit_once(", ") {
            Some((others, last)) => format!("{others} {} {last}", words(lang).format(word)),
            None => names.to_owned(),
        }
    }

    /// The sites that the text is about.
    pub(crate) fn sites(&self) -> &[String] {
        &self.sites
    }

    /// The value of a key, and the key under which it is written.
    pub(crate) fn value(&self, key: &str, lang: Lang) -> (String, &str) {
        let key = key_in(key, lang);
        let value = self.settings.get(key.as_str()).or_else(|| self.lists.get(&key));
        let value = value.map_or("", String::as_str);
        (key, value)
    }

    /// BLAKE3 of all settings that any text is made of, and of what was published, as 64 hexadecimal
    /// digits.
    pub(crate) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for (key, value) in &self.settings {
            add(key);
            add(value);
        }
        for (list, entry) in self.additions.iter().flat_map(Additions::entries) {
            add(additions::LISTS.get(list).copied().unwrap_or_default());
            add(entry);
        }
        for text in self.published.iter().flat_map(Noise::hashed) {
            add(published::KEY);
            add(&text);
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The tools whose trackers are answered.
fn tools(config: &Config) -> Vec<&'static str> {
    let named = Client::NAMES.iter().zip(TOOLS);
    named.filter(|((_, client), _)| config.compat.has(*client)).map(|(_, name)| name).collect()
}

/// The tools whose totals were taken over, as they name themselves.
fn totals(config: &Config) -> Vec<&'static str> {
    let is_named = |tool: &Tool| config.notice.imports_totals.iter().any(|it| it == tool.as_str());
    Tool::ALL.into_iter().filter(is_named).map(Tool::name).collect()
}

/// Whether logs are counted: none, too, or only.
fn logs(config: &Config) -> &'static str {
    match (config.notice.is_log_alone(), config.notice.imports_logs) {
        (true, _) => "only",
        (false, true) => "too",
        (false, false) => "none",
    }
}

/// The key as it is written in the configuration.
fn key_in(key: &str, lang: Lang) -> String {
    if IN_EACH_LANGUAGE.contains(&key) { format!("{key}_{}", lang.code()) } else { key.to_owned() }
}

/// The keys of the configuration behind a key of a sentence.
pub(crate) fn written_keys(key: &str, lang: Lang) -> Vec<String> {
    match WORKED_OUT.iter().find(|(name, _)| *name == key) {
        Some((_, keys)) => keys.iter().map(|key| (*key).to_owned()).collect(),
        None => vec![key_in(key, lang)],
    }
}

/// Whether the settings encrypt the way to Kafka and to ClickHouse.
fn is_encrypted(config: &Config) -> bool {
    let kafka = |raw: &RawKafka| matches!(raw.security.as_str(), "tls" | "sasl_tls");
    config.kafka.as_ref().is_some_and(kafka)
        && config.clickhouse.as_ref().is_some_and(|raw| raw.url.starts_with("https://"))
}
