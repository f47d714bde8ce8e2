//! `--page URL`: what a page of the owner's sets, and whom it makes a browser ask, seen by one GET.
//!
//! What it is not: a browser. Nothing of the page runs and nothing that it names is asked for, so what its
//! scripts set and load is not seen; `srcset`, style sheets and what is loaded later are not read either.
//!
//! What surprises: no redirect is followed. Where it leads is said, and whoever asked may name that.

mod get;

use std::collections::BTreeSet;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use url::{Host, Url};

use crate::config::ConfigError;

pub(super) use get::get;

/// Words of `rel` by which a browser asks for what `href` names, or at least connects.
const LOADING: [&str; 10] = [
    "stylesheet",
    "icon",
    "apple-touch-icon",
    "mask-icon",
    "manifest",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
];

/// A page that was named, and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Its address.
    pub(super) name: String,
    /// What was seen, or why nothing was.
    pub(super) look: Result<Seen, String>,
}

/// What a page does without any of its scripts having run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Names of the cookies that its answer sets.
    pub(super) cookies: BTreeSet<String>,
    /// Hosts of others whose scripts and frames it has.
    pub(super) code: BTreeSet<String>,
    /// Hosts of others whose images and linked files it has.
    pub(super) files: BTreeSet<String>,
    /// It has the script or the image of a Headcount.
    pub(super) has_snippet: bool,
}

/// An answer to a GET.
pub(super) struct Answer {
    pub(super) cookies: BTreeSet<String>,
    pub(super) html: Vec<u8>,
}

/// The address of a page that may be asked for.
///
/// # Errors
/// [`ConfigError`] if it is none, or one of `routes`, which are asked for by visitors only.
pub(super) fn address(text: &str, routes: &[&str]) -> Result<Url, ConfigError> {
    let wrong = |what: &str| ConfigError(format!("--page {text}: {what}"));
    let example = "an address such as https://example.org/ is needed";
    let url = Url::parse(text).map_err(|_| wrong(example))?;
    if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
        return Err(wrong(example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("a name or password in it would be seen by others; leave it out"));
    }
    if routes.contains(&url.path()) || is_script(&url) {
        return Err(wrong("that is for visitors and may count one; name a page of the site"));
    }
    Ok(url)
}

/// Looks at the page at `url`.
pub(super) fn look(url: &Url) -> Page {
    let look = get(url).map(|answer| seen(url, &answer));
    Page { name: url.to_string(), look }
}

/// What an answer says.
fn seen(url: &Url, answer: &Answer) -> Seen {
    let mut seen = Seen { cookies: answer.cookies.clone(), ..Seen::default() };
    let mut base = None;
    let mut inner = Vec::new();
    for token in tokens(&answer.html) {
        match token {
            Token::StartTag(tag) => {
                if base.is_none() && tag.name == b"base" {
                    base = attribute(&tag, "href").and_then(|href| url.join(&href).ok());
                }
                seen.add(url, base.as_ref().unwrap_or(url), &tag);
                inner.push(tag.name == b"noscript");
            }
            // What stands in `noscript` is one text to who runs scripts, and a page to who does not.
            Token::String(text) if inner.last() == Some(&true) => {
                for token in tokens(&text) {
                    if let Token::StartTag(tag) = token {
                        seen.add(url, base.as_ref().unwrap_or(url), &tag);
                    }
                }
            }
            _ => {}
        }
    }
    seen
}

fn tokens(html: &[u8]) -> impl Iterator<Item = Token<()>> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).map(|Ok(token)| token)
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).trim().to_owned())
}

impl Seen {
    fn add(&mut self, page: &Url, base: &Url, tag: &StartTag<()>) {
        let name = match tag.name.as_slice() {
            b"script" | b"iframe" | b"img" => "src",
            b"link" if loads(tag) => "href",
            _ => return,
        };
        let Some(to) = attribute(tag, name).and_then(|text| base.join(&text).ok()) else { return };
        // Neither `data:` nor `about:` asks anybody.
        let Some(host) = to.host_str().filter(|_| to.scheme().starts_with("http")) else { return };
        if is_script(&to) || to.path() == "/p.gif" {
            self.has_snippet = true;
        } else if whose(&to) != whose(page) {
            let is_code = matches!(tag.name.as_slice(), b"script" | b"iframe");
            let hosts = if is_code { &mut self.code } else { &mut self.files };
            hosts.insert(host.to_owned());
        }
    }
}

fn loads(tag: &StartTag<()>) -> bool {
    let rel = attribute(tag, "rel").unwrap_or_default().to_ascii_lowercase();
    rel.split_ascii_whitespace().any(|word| LOADING.contains(&word))
}

/// Whether it is the script of a Headcount, by any of its names.
fn is_script(url: &Url) -> bool {
    let hash = url.path().strip_prefix("/headcount.").and_then(|rest| rest.strip_suffix("js"));
    hash.is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.'))
}

/// Who stands behind an address: the name that can be registered, else the host itself.
fn whose(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => psl::domain_str(name).unwrap_or(name).to_owned(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests;
