//! Where a setting was set: the last layer that has its key.
//!
//! What it is not: who set it. A file is changed by a person, and a report names none.
//!
//! What surprises: a layer that sets what another has set already is the one that is told, also where
//! both say the same.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::ConfigError;
use super::raw::{Flags, lay_variable, of_file};

/// A layer of the settings, in the order in which they are laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file of `--config`.
    File,
    /// A variable that begins with `HEADCOUNT_`.
    Environment,
    /// A flag of the command.
    Flag,
}

impl Origin {
    /// In words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// Where each key was set that is not left out; sections with a dot.
///
/// # Errors
/// [`ConfigError`] as for [`super::layered`].
pub(crate) fn origins(
    flags: &Flags,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<BTreeMap<String, Origin>, ConfigError> {
    let mut variables = Table::new();
    for (name, value) in environment {
        lay_variable(&mut variables, &name, &value)?;
    }
    let mut origins = BTreeMap::new();
    for (table, origin) in [(of_file(flags)?, Origin::File), (variables, Origin::Environment)] {
        origins.extend(keys(&table).map(|key| (key, origin)));
    }
    let given = [
        ("listen", flags.listen.is_some()),
        ("stats_listen", flags.stats_listen.is_some()),
        ("data_dir", flags.data.is_some()),
        ("sites", !flags.sites.is_empty()),
    ];
    let flags = given.into_iter().filter(|(_, is_given)| *is_given);
    origins.extend(flags.map(|(key, _)| (key.to_owned(), Origin::Flag)));
    Ok(origins)
}

/// Keys of a table, and with a dot those of its sections.
fn keys(table: &Table) -> impl Iterator<Item = String> + '_ {
    table.iter().flat_map(|(key, value)| match value {
        Value::Table(section) => section.keys().map(|name| format!("{key}.{name}")).collect(),
        _ => vec![key.clone()],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layer_that_has_a_key_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headcount.toml");
        let text = "k = 7\nretention_days = 30\n[limits]\nnames_total = 9\n[[sites]]\nhost = \"a.example\"\n";
        std::fs::write(&path, text).unwrap();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = [
            variable("HEADCOUNT_RETENTION_DAYS", "40"),
            variable("HEADCOUNT_KAFKA_TOPIC", "a"),
            variable("PATH", "/bin"),
        ];
        let flags = Flags { config: Some(path), data: Some("d".into()), ..Flags::default() };
        let found = origins(&flags, environment).unwrap();
        let told: Vec<_> =
            found.iter().map(|(key, origin)| format!("{key} {}", origin.as_str())).collect();
        let expected = [
            "data_dir flag",
            "k file",
            "kafka.topic environment",
            "limits.names_total file",
            "retention_days environment",
            "sites file",
        ];
        assert_eq!(told, expected);
        assert_eq!(origins(&Flags::default(), []).unwrap(), BTreeMap::new());
        assert!(origins(&Flags::default(), [variable("HEADCOUNT_NOTHING", "1")]).is_err());
    }
}
