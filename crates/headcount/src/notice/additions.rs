//! What owners added to the policy for pages, as the texts print it.
//!
//! What it is not: the policy. What an addition does is in `core/page/owner.rs`.
//!
//! What surprises: only the additions of sites that a text is about are printed. A text about no site
//! in particular says that there are some, and not which: who else is counted is nobody's business.

use std::collections::BTreeMap;

use super::book::words;
use super::facts::Lang;
use crate::config::{self, Config, RawSite};

/// Entries of one list that are printed; of the others their number is.
const PRINTED_MAX: usize = 200;
/// The lists, as sentences quote them.
pub(super) const LISTS: [&str; 4] = ["listed", "templates", "strong_words", "weak_words"];

/// The additions of one site, list by list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Additions {
    host: String,
    lists: [Vec<String>; 4],
}

impl Additions {
    /// Those of every site that has some.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let of_sites = config.sites.iter().map(Self::of);
        of_sites.filter(|of_site| of_site.entries().next().is_some()).collect()
    }

    fn of(site: &RawSite) -> Self {
        let host = config::host("sites.host", &site.host).map(|host| host.to_string());
        let (templates, listed) = site.pages.iter().cloned().partition(|page| page.contains('*'));
        Self {
            host: host.unwrap_or_default(),
            lists: [listed, templates, site.strong_words.clone(), site.weak_words.clone()],
        }
    }

    /// Every entry under the number of its list.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &str)> {
        let lists = self.lists.iter().enumerate();
        lists.flat_map(|(of, list)| list.iter().map(move |entry| (of, entry.as_str())))
    }
}

/// What a text about these sites says of them: the lists in a language, under their keys.
pub(super) fn told(all: &[Additions], sites: &[String], lang: Lang) -> BTreeMap<String, String> {
    let of_sites: Vec<&Additions> = all.iter().filter(|it| sites.contains(&it.host)).collect();
    let key = |key: &str| format!("{key}_{}", lang.code());
    let mut told: BTreeMap<String, String> = LISTS
        .into_iter()
        .enumerate()
        .map(|(at, list)| (key(list), printed(&of_sites, at, (sites.len() > 1, lang))))
        .collect();
    let is_untold = sites.is_empty() && !all.is_empty();
    told.insert(key("additions"), if is_untold { "untold" } else { "" }.to_owned());
    told
}

/// One list, with the sites' names where there are several.
fn printed(of_sites: &[&Additions], at: usize, (several, lang): (bool, Lang)) -> String {
    let (mut places, mut left, mut more) = (Vec::new(), PRINTED_MAX, 0);
    for Additions { host, lists } in of_sites {
        let Some(list) = lists.get(at).filter(|list| !list.is_empty()) else { continue };
        let entries: Vec<String> = list.iter().take(left).map(|entry| plain(entry)).collect();
        left -= entries.len();
        more += list.len() - entries.len();
        let entries = entries.join(", ");
        places.push(if several { format!("{host}: {entries}") } else { entries });
    }
    let mut text = places.join("; ");
    if more > 0 {
        let words = words(lang).format("more");
        text += &format!(" {}", words.replace("{number}", &more.to_string()));
    }
    text
}

/// An entry on one line.
fn plain(entry: &str) -> String {
    entry.trim().replace(char::is_control, " ")
}
