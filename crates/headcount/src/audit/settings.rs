//! Settings that are not the default, and which sentences of the notice change with them.
//!
//! What it is not: a judgement. A setting may be right and still be worth reading about.
//!
//! What surprises: files, users and what the owner wrote for the notice are told as "set": a report is
//! handed on. Of sites their number is told, since pages that an owner lists may be names. By whom a
//! setting is set is told as a layer (file, environment, flag, preset), never as a person.

use headcount_audit::evidence::Setting;
use toml::{Table, Value};

use crate::config::{Config, ConfigError, Flags, RawSite, layered, origins};
use crate::notice::{Lang, touched};

/// Keys whose value is told as "set".
const UNTOLD: [&str; 7] = [
    "data_dir",
    "country_file",
    "kafka.user",
    "kafka.password_file",
    "kafka.ca_file",
    "clickhouse.user",
    "clickhouse.password_file",
];
/// Keys that a preset has a value for: what is in force is compared. Where none says it, `k_day` is
/// lowered to a `k` that is set.
const OF_PRESET: [&str; 3] = ["crowd", "k", "k_day"];
/// Characters of a value that are told.
const VALUE_CHARS_MAX: usize = 200;

/// Every setting that is not the default.
///
/// # Errors
/// [`ConfigError`] for what is wrong in the settings.
pub(super) fn settings(
    flags: &Flags,
    environment: Vec<(String, String)>,
    config: &Config,
) -> Result<Vec<Setting>, ConfigError> {
    let origins = origins(flags, environment.iter().cloned())?;
    let by = |key: &str| origins.get(key).map(|origin| origin.as_str());
    let table = |raw| Table::try_from(raw).map_err(|error| ConfigError(error.to_string()));
    let set = flat(&table(layered(flags, environment)?)?);
    let standard = flat(&table(layered(&Flags::default(), Vec::new())?)?);
    let mut found = Vec::new();
    for (key, value) in set.iter().filter(|(key, _)| !OF_PRESET.contains(&key.as_str())) {
        let default = standard.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        if default != Some(value) {
            let default = default.map_or(String::new(), shown);
            found.push(Setting { by: layer(by(key)), ..setting(key, told(key, value), default) });
        }
    }
    let standard = Config::load(&Flags::default(), Vec::new())?;
    for (key, value, default) in [
        ("crowd", config.release.crowd, standard.release.crowd),
        ("k", config.k.into(), standard.k.into()),
        ("k_day", config.k_day.into(), standard.k_day.into()),
    ] {
        if value != default {
            let by = by(key).unwrap_or(if config.hours() { "k" } else { "preset" });
            let by = by.to_owned();
            found.push(Setting { by, ..setting(key, value.to_string(), default.to_string()) });
        }
    }
    let by = layer(by("sites"));
    found.extend(sites(&config.sites)?.into_iter().map(|it| Setting { by: by.clone(), ..it }));
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

fn setting(key: &str, value: String, default: String) -> Setting {
    let touches = touched(key, Lang::En);
    Setting { key: key.to_owned(), value, default, touches, by: String::new() }
}

fn layer(by: Option<&str>) -> String {
    by.unwrap_or("–").to_owned()
}

/// Keys as they are written with a dot; the sites are told apart.
fn flat(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (key, value) in table.iter().filter(|(key, _)| *key != "sites") {
        match value {
            Value::Table(section) => {
                let within = section.iter();
                all.extend(within.map(|(name, value)| (format!("{key}.{name}"), value.clone())));
            }
            value => all.push((key.clone(), value.clone())),
        }
    }
    all
}

/// A value as reports have it.
fn told(key: &str, value: &Value) -> String {
    if UNTOLD.contains(&key) || key.starts_with("notice.") {
        return "set".to_owned();
    }
    let text = shown(value);
    // An address may hold a password.
    match text.split_once("://") {
        Some((scheme, _)) if key == "clickhouse.url" || text.contains('@') => {
            format!("{scheme}://…")
        }
        _ => text.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

/// How many sites have a setting of their own, for each.
fn sites(sites: &[RawSite]) -> Result<Vec<Setting>, ConfigError> {
    let table =
        |site: &RawSite| Table::try_from(site).map_err(|error| ConfigError(error.to_string()));
    let standard = table(&RawSite::default())?;
    let all: Vec<Table> = sites.iter().map(table).collect::<Result<_, _>>()?;
    let with = |key: &String| all.iter().filter(|it| it.get(key) != standard.get(key)).count();
    let used = standard.keys().map(|key| (key, with(key))).filter(|(_, count)| *count > 0);
    let of = |(key, count): (&String, usize)| {
        let value = format!("in {count} {}", if count == 1 { "site" } else { "sites" });
        setting(&format!("sites.{key}"), value, "in none".to_owned())
    };
    Ok(used.map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Setting> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headcount.toml");
        std::fs::write(&path, text).unwrap();
        let flags = Flags { config: Some(path), ..Flags::default() };
        let config = Config::load(&flags, Vec::new()).unwrap();
        settings(&flags, Vec::new(), &config).unwrap()
    }

    fn line(settings: &[Setting], key: &str) -> String {
        let it = settings.iter().find(|it| it.key == key).unwrap();
        format!("{} {} {}", it.value, it.default, it.touches.join(" "))
    }

    #[test]
    fn what_is_the_default_is_not_told() {
        assert_eq!(of(""), []);
        assert_eq!(of("crowd = 8\nk = 5\nvisitors = \"daily\"\n"), []);
    }

    #[test]
    fn what_is_not_is_told_with_what_it_touches() {
        let found = of("preset = \"strict\"\nretention_days = 30\n\
             trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]\n\
             client_address_header = \"X-Forwarded-For\"\n[limits]\nconnections_per_prefix = 9\n");
        assert!(line(&found, "crowd").starts_with("20 8 stored.crowd"));
        assert!(line(&found, "k_day").starts_with("10 3 stored.k_day"));
        assert_eq!(line(&found, "retention_days"), "30 365 place.retention");
        assert!(line(&found, "trusted_proxies").starts_with("10.0.0.0/8, 127.0.0.1 none address."));
        assert_eq!(line(&found, "limits.connections_per_prefix"), "9 256 address.connections");
        assert!(line(&found, "preset").contains("stored.admission"));
    }

    #[test]
    fn where_it_was_set_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headcount.toml");
        let text = "preset = \"strict\"\nk = 30\n[limits]\nconnections = 9\n\
                    [[sites]]\nhost = \"a.example\"\n";
        std::fs::write(&path, text).unwrap();
        let flags = Flags { config: Some(path), data: Some(dir.path().into()), ..Flags::default() };
        let environment = vec![("HEADCOUNT_RETENTION_DAYS".to_owned(), "30".to_owned())];
        let config = Config::load(&flags, environment.clone()).unwrap();
        let found = settings(&flags, environment, &config).unwrap();
        let told: Vec<_> = found.iter().map(|it| format!("{} {}", it.key, it.by)).collect();
        let expected = [
            "crowd preset",
            "data_dir flag",
            "k file",
            "k_day preset",
            "limits.connections file",
            "preset file",
            "retention_days environment",
            "sites.host file",
        ];
        assert_eq!(told, expected);
        let lowered = of("k = 2\n");
        assert_eq!(lowered.iter().map(|it| it.by.as_str()).collect::<Vec<_>>(), ["file", "k"]);
    }

    #[test]
    fn secrets_paths_and_names_are_not_told() {
        let found = of(
            "[kafka]\nbrokers = [\"k:9092\"]\nsecurity = \"sasl_tls\"\nuser = \"geheim\"\n\
             password_file = \"/geheim\"\n[clickhouse]\nurl = \"https://c:8443\"\nuser = \"geheim\"\n\
             password_file = \"/geheim\"\n[notice]\ncontroller = \"geheim\"\n\
             [[sites]]\nhost = \"geheim.example\"\npages = [\"/team/geheim\"]\n\
             [[sites]]\nhost = \"b.example\"\n",
        );
        assert!(!format!("{found:?}").contains("geheim"), "{found:?}");
        let brokers = line(&found, "kafka.brokers");
        assert!(
            brokers.starts_with("k:9092 none ") && brokers.contains("place.cluster"),
            "{brokers}"
        );
        assert!(line(&found, "clickhouse.url").starts_with("https://… not set"));
        assert!(line(&found, "sites.pages").starts_with("in 1 site in none stored.listed"));
        assert!(line(&found, "sites.host").starts_with("in 2 sites"));
        assert_eq!(line(&found, "notice.controller"), "set not set who.controller");
    }
}
