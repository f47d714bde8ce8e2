//! Is the agent a robot, by the kept list `crawler-user-agents` or by its own word?
//!
//! What it is not: bot detection. Nothing is inferred from behaviour; a robot that says it is
//! Chrome is counted as Chrome.
//!
//! What surprises: `HeadlessChrome` is on the list and is not a robot here. Owners and tests drive
//! it to see a count appear, and whoever wants to hide behind it can rename it at will.

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;
use regex_syntax::hir::HirKind;

use super::RulesError;

/// Patterns of `crawler-user-agents` 1.60.0, one a line.
const LIST: &str = include_str!("../../data/robots.txt");

/// Entries of the list that are not robots here.
const NOT_ROBOTS: [&str; 1] = ["HeadlessChrome"];

/// Words by which an agent calls itself a robot, for those that are too new or too small for the
/// list. `bot` needs an end of word and no `cu` before it: Cubot makes phones. A browser has no
/// reason to give a contact address.
const OWN_WORD: [&str; 5] = [
    r"(?i)(?:^|[^u]|[^c]u)bots?(?:[^a-z]|$)",
    r"(?i)crawl|spider|scrap(?:er|ing|y)|fetcher|monitor(?:ing)?/|uptime|feed(?:parser|reader)",
    r"(?i)\+?https?://|[a-z0-9]@[a-z0-9-]+\.[a-z]{2}",
    r"(?i)^(?:curl|wget|python|java|ruby|perl|php|node|go|dart|okhttp|axios|got|undici|deno|bun)\b",
    r"(?i)http-?client|urllib|aiohttp|httpx|guzzle|postman|insomnia|phantomjs|httpie",
];

/// The compiled list.
#[derive(Debug)]
pub(super) struct Robots {
    literals: AhoCorasick,
    patterns: Regex,
}

impl Robots {
    /// Compiles the list: plain text goes to one automaton, the rest to one alternation.
    pub(super) fn load() -> Result<Self, RulesError> {
        let mut literals = Vec::new();
        let mut patterns: Vec<&str> = OWN_WORD.to_vec();
        let listed = |line: &&str| !line.is_empty() && !NOT_ROBOTS.contains(line);
        for line in LIST.lines().filter(listed) {
            let hir = regex_syntax::parse(line)
                .map_err(|error| regex::Error::Syntax(error.to_string()))?;
            match hir.into_kind() {
                HirKind::Literal(text) => literals.push(text.0),
                _ => patterns.push(line),
            }
        }
        let wrapped: Vec<String> = patterns.iter().map(|p| format!("(?:{p})")).collect();
        Ok(Self {
            literals: AhoCorasick::new(literals)?,
            patterns: Regex::new(&wrapped.join("|"))?,
        })
    }

    /// Whether the agent is a robot. An empty one is: every browser names itself.
    pub(super) fn contains(&self, agent: &[u8]) -> bool {
        agent.is_empty() || self.literals.is_match(agent) || self.patterns.is_match(agent)
    }
}
