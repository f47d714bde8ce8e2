//! Other tools' trackers: four endpoints that take what they send, where the owner asked for it.
//!
//! What it is not: those tools. A file for each client turns bytes into our own beacon and skips
//! whatever that has no field for; from there on it goes the way of every other beacon.
//!
//! What surprises: events must be declared, so their names are compared in one spelling: `Sign up`
//! is declared as `sign_up`. An identifier is never handed out, although some clients ask for one.

pub(crate) mod goatcounter;
pub(crate) mod http;
pub(crate) mod matomo;
pub(crate) mod plausible;
mod props;
pub(crate) mod umami;

use std::borrow::Cow;

use crate::beacon::{Beacon, Text, host_of, lower};
use crate::sites::SiteTable;

/// Bytes of one of these clients' bodies at most: titles and properties are in it. Matomo's, which
/// may be batches, have a limit of their own. All connections together hold no more than their
/// number times that.
pub(crate) const BODY_BYTES_MAX: u64 = 32 * 1024;

/// A tool whose tracker is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `POST /api/event`.
    Plausible,
    /// `POST /api/send`.
    Umami,
    /// `GET` and `POST /count`.
    Goatcounter,
    /// `GET` and `POST /matomo.php`.
    Matomo,
}

impl Client {
    /// Every client, by its name in the settings.
    pub const NAMES: [(&str, Self); 4] = [
        ("plausible", Self::Plausible),
        ("umami", Self::Umami),
        ("goatcounter", Self::Goatcounter),
        ("matomo", Self::Matomo),
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The clients that are answered; none, unless the owner names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compat(u8);

impl Compat {
    /// These clients too.
    #[must_use]
    pub const fn with(self, client: Client) -> Self {
        Self(self.0 | client.bit())
    }

    /// Whether this one is answered.
    pub const fn has(self, client: Client) -> bool {
        self.0 & client.bit() != 0
    }

    /// Whose path this is, if it is answered.
    pub(crate) fn at(self, path: &str) -> Option<Client> {
        if self.0 == 0 {
            return None;
        }
        let client = match path {
            "/api/event" => Client::Plausible,
            "/api/send" => Client::Umami,
            "/count" => Client::Goatcounter,
            "/matomo.php" | "/piwik.php" => Client::Matomo,
            _ => return None,
        };
        self.has(client).then_some(client)
    }
}

/// What a request of a client comes to.
pub(crate) enum Reading<'a> {
    /// A view, click or event.
    Hit(Said<'a>),
    /// A sign of life that is none: an engagement, a heartbeat, an identity.
    Ping,
}

/// A hit as its client said it: our beacon, but for the site.
#[derive(Default)]
pub(crate) struct Said<'a> {
    /// Page, referrer, click target, event and agent; `s` is empty.
    pub(crate) beacon: Beacon<'a>,
    /// What the client calls the site.
    pub(crate) site: Name<'a>,
    /// The page's host, where it is not in the page.
    pub(crate) host: Option<Text<'a>>,
}

/// What a client calls a site.
#[derive(Default)]
pub(crate) enum Name<'a> {
    /// Nothing: the page, `Origin` or `Referer` tells it.
    #[default]
    Unnamed,
    /// Its host, or several with commas.
    Hosts(Text<'a>),
    /// Umami's UUID.
    Umami(Text<'a>),
    /// Matomo's number.
    Matomo(u32),
}

impl<'a> Said<'a> {
    /// The beacon with its site, as the owner's settings name it. A list counts for its first site
    /// that is one of ours; a number or UUID that nobody set leaves it to the page's host.
    fn into_beacon(self, sites: &'a SiteTable) -> Beacon<'a> {
        let Self { mut beacon, site, host } = self;
        let of_page = || {
            let page = beacon.p.as_ref().and_then(|page| host_of(&page.0));
            let host = host.as_ref().map(|host| lower(host.0.trim()));
            host.or(page).and_then(|host| sites.by_host(&host))
        };
        let found = match &site {
            Name::Hosts(list) => {
                list.0.split(',').find_map(|one| sites.by_host(&lower(one.trim())))
            }
            Name::Umami(id) => sites.by_umami_id(&lower(id.0.trim())).or_else(of_page),
            Name::Matomo(id) => sites.by_matomo_id(*id).or_else(of_page),
            Name::Unnamed => of_page(),
        };
        let found = found.map(|entry| entry.rules.host().as_str());
        // A path as referrer is a page of the same site.
        if let (Some(host), Some(path)) = (found, beacon.r.as_ref().filter(|r| is_path(&r.0))) {
            beacon.r = Some(Text(format!("https://{host}{}", path.0).into()));
        }
        beacon.s = match (found, site) {
            (Some(host), _) => Some(Text(host.into())),
            (None, Name::Hosts(list)) => Some(list),
            (None, _) => None,
        };
        beacon
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// An event's name in the spelling in which events are declared: lower case, and `_` for whatever
/// a declared name cannot hold.
fn event_name(raw: &str) -> Cow<'_, str> {
    let is_kept = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | ':' | '-')
    };
    if raw.chars().all(is_kept) {
        return raw.into();
    }
    let mut name = String::with_capacity(raw.len());
    for letter in raw.trim().chars() {
        match letter.to_ascii_lowercase() {
            kept if is_kept(kept) => name.push(kept),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name.into()
}

/// An event as a beacon has it.
fn event(raw: Text<'_>) -> Text<'_> {
    Text(match raw.0 {
        Cow::Borrowed(raw) => event_name(raw),
        Cow::Owned(raw) => event_name(&raw).into_owned().into(),
    })
}

/// The pairs of a query or of a form.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests;
