//! The compiled rules: agent string in, client out, the same on every machine.
//!
//! What it is not: the hit's way. Two to four microseconds are as much as the rest of a hit; go
//! through [`Clients`](super::Clients), which remembers.
//!
//! What surprises: of uap-core's 547 rules only those that can end in a listed name are compiled.
//! That is a third of the memory, and an unlisted app that embeds Chrome is counted as Chrome.

use std::borrow::Cow;
use std::thread;

use thiserror::Error;
use ua_parser::{os, user_agent};

use super::device;
use super::families::{self, Device, OTHER};
use super::robots::Robots;
use super::{AGENT_BYTES_MAX, Client, ClientFamily};

/// Browser rules of uap-core 0.18.0: regex, tab, replacement.
const BROWSER_RULES: &str = include_str!("../../data/browsers.tsv");
/// System rules of uap-core 0.18.0: regex, tab, replacement.
const SYSTEM_RULES: &str = include_str!("../../data/systems.tsv");

/// The rules that came with the binary do not compile.
#[derive(Debug, Error)]
pub enum RulesError {
    /// A rule of uap-core.
    #[error("failed to compile a browser or system rule: {0}")]
    Parser(String),
    /// A pattern of the robot list.
    #[error("failed to compile the robot list")]
    Pattern(#[from] regex::Error),
    /// The robot list as a whole.
    #[error("failed to build the robot list")]
    Literals(#[from] aho_corasick::BuildError),
    /// A compiling thread panicked.
    #[error("a thread that compiled client rules panicked")]
    Thread,
}

/// Everything needed to name a client; shared by all workers.
pub struct ClientRules {
    browsers: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
    robots: Robots,
}

impl ClientRules {
    /// Compiles the embedded lists, systems and robots on a second thread.
    ///
    /// # Errors
    /// Only if the embedded lists are broken, which a test excludes.
    pub fn load() -> Result<Self, RulesError> {
        thread::scope(|scope| {
            let others = scope.spawn(|| Ok((load_systems()?, Robots::load()?)));
            let browsers = load_browsers()?;
            let others: Result<_, RulesError> = others.join().map_err(|_| RulesError::Thread)?;
            let (systems, robots) = others?;
            Ok(Self { browsers, systems, robots })
        })
    }

    /// Names the client of an agent string, cut at [`AGENT_BYTES_MAX`].
    pub fn classify(&self, agent: &[u8]) -> Client {
        let agent = cut(agent).trim_ascii();
        if self.robots.contains(agent) {
            return Client { family: ClientFamily::UNKNOWN, robot: true };
        }
        let text = String::from_utf8_lossy(agent);
        let browser =
            self.browsers.extract(&text).and_then(|found| families::browser(&found.family));
        let system = self.systems.extract(&text).and_then(|found| families::system(&found.os));
        let family = ClientFamily {
            browser: browser.unwrap_or(OTHER),
            os: system.unwrap_or(OTHER),
            device: device::classify(&text),
        };
        Client { family, robot: false }
    }
}

/// The part of an agent string that is looked at.
pub(super) fn cut(agent: &[u8]) -> &[u8] {
    agent.get(..AGENT_BYTES_MAX).unwrap_or(agent)
}

impl ClientFamily {
    /// A client of which nothing is known.
    pub const UNKNOWN: Self = Self { browser: OTHER, os: OTHER, device: Device::Other };
}

fn rules(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter_map(|line| line.split_once('\t'))
}

fn replacement(text: &'static str) -> Option<Cow<'static, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn load_browsers() -> Result<user_agent::Extractor<'static>, RulesError> {
    let parsers = rules(BROWSER_RULES)
        .filter(|(regex, to)| families::is_wanted_browser(regex, to))
        .map(|(regex, to)| user_agent::Parser {
            regex: Cow::Borrowed(regex),
            family_replacement: replacement(to),
            ..user_agent::Parser::default()
        });
    let builder = user_agent::Builder::new().push_all(parsers);
    let builder = builder.map_err(|error| RulesError::Parser(error.to_string()))?;
    builder.build().map_err(|error| RulesError::Parser(error.to_string()))
}

fn load_systems() -> Result<os::Extractor<'static>, RulesError> {
    let parsers = rules(SYSTEM_RULES).filter(|(regex, _)| families::is_wanted_system(regex)).map(
        |(regex, to)| os::Parser {
            regex: Cow::Borrowed(regex),
            os_replacement: replacement(to),
            ..os::Parser::default()
        },
    );
    let builder = os::Builder::new().push_all(parsers);
    let builder = builder.map_err(|error| RulesError::Parser(error.to_string()))?;
    builder.build().map_err(|error| RulesError::Parser(error.to_string()))
}
