//! What `headcount publish` has drawn, as the texts tell it.
//!
//! What it is not: a setting. It is read from the control file of the data folder, and is part of the
//! texts' hash all the same: a notice of before does not know of it.
//!
//! What surprises: as with what owners added, a text about no site in particular says that there are
//! published numbers, and not of which site.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use headcount_stats::noise::Epsilon;
use headcount_store::control::{self, Control, PublishedNoise};

use super::book::words;
use super::facts::Lang;
use crate::config::Config;

/// What a sentence is bound to that tells of published numbers.
pub(super) const KEY: &str = "control.db: published";

/// The noise of a site's published days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noise {
    host: String,
    /// The most noise of a day, which is the smallest epsilon.
    most: Epsilon,
    /// The least noise.
    least: Epsilon,
}

/// Of each site that has published days.
pub(crate) type All = Arc<[Noise]>;

/// What the data folder has published: nothing where there is no control file.
///
/// # Errors
/// If that file cannot be read.
pub(crate) fn of_folder(config: &Config) -> anyhow::Result<All> {
    let file = config.data_dir.join(control::FILE_NAME);
    if !file.exists() {
        return Ok(All::default());
    }
    all(&Control::open(&file)?)
}

/// What a control file says was published.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn all(control: &Control) -> anyhow::Result<All> {
    control.published_noise()?.iter().map(Noise::of).collect()
}

impl Noise {
    fn of(found: &PublishedNoise) -> anyhow::Result<Self> {
        let [most, least] = found.epsilons;
        let epsilon = |thousandths| {
            Epsilon::of_thousandths(thousandths).context("an epsilon of control.db is none")
        };
        let host = found.site.to_string();
        Ok(Self { host, most: epsilon(most)?, least: epsilon(least)? })
    }

    /// What of it makes the texts' hash.
    pub(super) fn hashed(&self) -> [String; 3] {
        [self.host.clone(), self.most.to_string(), self.least.to_string()]
    }

    fn told(&self, lang: Lang) -> String {
        let [most, least] = [self.most, self.least].map(|epsilon| number(&epsilon, lang));
        let format = words(lang).format(if most == least { "noise" } else { "noises" });
        let filled = format.replace("{epsilon}", &most).replace("{least}", &least);
        filled.replace("{error}", &self.most.error().to_string())
    }
}

/// What a text about these sites says of what is published of them, under its keys.
pub(super) fn told(all: &[Noise], sites: &[String], lang: Lang) -> BTreeMap<String, String> {
    let of_sites: Vec<&Noise> = all.iter().filter(|it| sites.contains(&it.host)).collect();
    let state = match (of_sites.is_empty(), sites.is_empty() && !all.is_empty()) {
        (false, _) => "told",
        (true, true) => "untold",
        (true, false) => "",
    };
    let noise: Vec<String> = of_sites
        .iter()
        .map(|it| match sites {
            [_] => it.told(lang),
            _ => format!("{}: {}", it.host, it.told(lang)),
        })
        .collect();
    let odds = of_sites.iter().map(|it| it.least).max().map(Epsilon::odds);
    let odds = odds.map_or(String::new(), |odds| number(&format!("{odds:.2}"), lang));
    let key = |key: &str| format!("{key}_{}", lang.code());
    [("published", state.to_owned()), ("noise", noise.join("; ")), ("odds", odds)]
        .map(|(name, value)| (key(name), value))
        .into()
}

/// A number as a language writes it.
fn number(number: &impl ToString, lang: Lang) -> String {
    let text = number.to_string();
    match lang {
        Lang::En => text,
        Lang::Sv => text.replace('.', ","),
    }
}
