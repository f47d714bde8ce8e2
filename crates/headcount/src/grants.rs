//! `headcount grants`: what the two users of a cluster may do on ClickHouse, as SQL for its
//! administrator, and whether a user of these settings may do that and no more.
//!
//! What it is not: a grant. Nothing is changed on a server.
//!
//! What surprises: with `--check` the user is taken for the part it fits. One that may do everything
//! fits neither, and every power that is too much is named.

use anyhow::bail;
use headcount_store::StoreError;
use headcount_store::clickhouse::grants::{self, Allowed, Part};

use crate::cli::{GrantsArgs, PartWord};
use crate::cluster;
use crate::commands::say;
use crate::config::{self, Config, Flags};

/// Prints the SQL, or asks the server.
///
/// # Errors
/// With `--check`, what the user lacks or may do beyond its part.
pub(crate) fn run(args: &GrantsArgs) -> anyhow::Result<()> {
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let config = Config::load(&flags, config::environment())?;
    if !args.check {
        let defaults = config::RawClickhouse::default();
        let raw = config.clickhouse.as_ref().unwrap_or(&defaults);
        let cluster = Some(raw.cluster.as_str()).filter(|name| !name.is_empty());
        return say(&grants::sql(&raw.database, cluster));
    }
    let settings = cluster::clickhouse(&config)?;
    let parts = match args.part {
        Some(PartWord::Writer) => vec![Part::Writer],
        Some(PartWord::Reader) => vec![Part::Reader],
        None => Part::ALL.to_vec(),
    };
    let mut report = format!("user {} of {}\n", settings.user, settings.url);
    let (mut fits, mut is_tested) = (false, false);
    for part in parts {
        let allowed = match grants::check(&settings, part) {
            Ok(allowed) => allowed,
            Err(error @ StoreError::Server { .. }) => {
                report += &format!("{}: not tested: {error}\n", part.role());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        is_tested = true;
        fits |= allowed == Allowed::default();
        report += &told(part, &allowed);
    }
    say(&report)?;
    if !is_tested {
        bail!("not tested: the server does not say what user {} may do", settings.user);
    }
    if !fits {
        bail!(
            "user {} does not have the rights of one part and no others; see above, and for an \
             administrator: headcount grants",
            settings.user
        );
    }
    Ok(())
}

fn told(part: Part, allowed: &Allowed) -> String {
    let Allowed { missing, surplus } = allowed;
    let mut text = String::new();
    for (word, rights) in [("lacks", missing), ("needs no", surplus)] {
        for right in rights {
            text += &format!("{}: {word} {right}\n", part.role());
        }
    }
    if text.is_empty() { format!("{}: what it needs, and no more\n", part.role()) } else { text }
}

/// Says at the start of a room which rights its user does not need. Where the server does not say,
/// neither does this.
pub(crate) fn warn(part: Part, user: &str, surplus: Result<Vec<String>, StoreError>) {
    if let Ok(surplus) = surplus
        && !surplus.is_empty()
    {
        tracing::warn!(
            user,
            surplus = surplus.join(", "),
            "clickhouse's user may do more than the role {} needs; see: headcount grants",
            part.role()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_for_administrators_is_what_is_printed() {
        let file = include_str!("../../../deploy/clickhouse/roles.sql");
        assert_eq!(grants::sql("headcount", None), file, "headcount grants > roles.sql");
    }

    #[test]
    fn database_and_cluster_are_those_of_the_settings() {
        let text = grants::sql("counts_of_us", Some("blue"));
        assert!(
            text.contains("GRANT ON CLUSTER `blue` SELECT ON counts_of_us.ledger TO headcount_r")
        );
        assert!(text.contains("CREATE USER IF NOT EXISTS headcount_serve ON CLUSTER `blue` IDENT"));
        for line in text.lines().filter(|line| !line.starts_with("--")) {
            let begins = ["CREATE ", "GRANT "].iter().any(|word| line.starts_with(word));
            assert!(!begins || line.contains(" ON CLUSTER `blue`"), "{line}");
            assert!(!line.contains("headcount.") && !line.contains("DATABASE_NAME"), "{line}");
        }
    }
}
