//! Reads the configuration of nginx, Caddy or HAProxy: is its access log off where visitors come in?
//!
//! What it is not: the proxy. It follows what `deploy/proxy/` uses, and says where it cannot.
//!
//! What surprises: silence is not the same everywhere. nginx logs unless it is told not to, Caddy
//! and HAProxy log only where they are told to.

mod caddy;
mod haproxy;
mod include;
mod nginx;

use std::path::Path;

/// Largest file that is read.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Blocks within blocks at most.
const DEPTH_MAX: usize = 16;

/// What was found in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    /// The file's name.
    pub(super) name: String,
    pub(super) logging: Logging,
    /// It gives visitors TLS tickets, and has no line that stops it.
    pub(super) keeps_tickets: bool,
}

/// Whether visitors are in an access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Logging {
    Off,
    /// For these routes.
    On(Vec<String>),
    /// It could not be found out, because of this.
    Unknown(String),
}

impl Logging {
    /// Of the routes for which the log is on.
    fn of(mut routes: Vec<String>) -> Self {
        routes.sort();
        routes.dedup();
        if routes.is_empty() { Self::Off } else { Self::On(routes) }
    }
}

/// Where visitors come in.
#[derive(Clone, Copy)]
pub(super) struct Visited<'a> {
    /// The paths that they ask for.
    pub(super) routes: &'a [&'a str],
    /// The port of the dashboard, where it is not theirs: what is sent there is another matter.
    pub(super) stats_port: Option<u16>,
}

impl Visited<'_> {
    /// Whether what is sent to these upstreams reaches only the dashboard.
    fn is_stats(&self, upstreams: &[String]) -> bool {
        let Some(port) = self.stats_port else { return false };
        let end = format!(":{port}");
        !upstreams.is_empty() && upstreams.iter().all(|to| to.trim_end_matches('/').ends_with(&end))
    }
}

/// Whether a line of `text` begins with one of these words.
fn begins(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| line.split_whitespace().next().is_some_and(|w| words.contains(&w)))
}

fn is_haproxy(text: &str) -> bool {
    begins(text, &["frontend", "listen"])
        && begins(text, &["bind", "default_backend", "server"])
        && !text.contains(';')
}

fn is_caddy(text: &str) -> bool {
    !is_haproxy(text) && (begins(text, &["reverse_proxy"]) || text.contains(" reverse_proxy "))
}

/// Whether visitors get TLS tickets that no line of this file could stop: Caddy's has none for that.
pub(super) fn keeps_tickets(text: &str, visited: Visited<'_>) -> bool {
    is_caddy(text) && caddy::has_tls(text, visited)
}

/// Reads `text`, which is the file `at`. Of nginx, files that it includes are read, too.
pub(super) fn read(text: &str, at: Option<&Path>, visited: Visited<'_>) -> Logging {
    if is_haproxy(text) {
        haproxy::read(text, visited)
    } else if is_caddy(text) {
        caddy::read(text, visited)
    } else if text.contains("proxy_pass") || begins(text, &["http", "include", "server"]) {
        nginx::read(text, at, visited)
    } else {
        let reason = "it passes nothing on, or is neither nginx's, Caddy's nor HAProxy's";
        Logging::Unknown(reason.to_owned())
    }
}

/// A statement with its words and the block behind it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Statement {
    words: Vec<String>,
    block: Vec<Statement>,
}

impl Statement {
    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// It, and all that is in it, if it has this name.
    fn all<'a>(&'a self, name: &str, found: &mut Vec<&'a Statement>) {
        if self.name() == name {
            found.push(self);
        }
        self.block.iter().for_each(|inner| inner.all(name, found));
    }

    /// Whether something in it passes visitors on by a statement of this name.
    fn passes(&self, name: &str, visited: Visited<'_>) -> bool {
        let mut found = Vec::new();
        self.all(name, &mut found);
        found.iter().any(|one| !visited.is_stats(one.arguments()))
    }
}

/// What ends a statement beside a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Semicolon,
    Line,
}

/// Statements and blocks of a text; `None` if its braces do not match.
fn parse(text: &str, ends: Ends) -> Option<Vec<Statement>> {
    let mut open: Vec<Vec<Statement>> = vec![Vec::new()];
    let mut heads: Vec<Vec<String>> = Vec::new();
    let mut words = Vec::new();
    for token in tokens(text, ends) {
        match token.as_str() {
            ";" | "\n" if words.is_empty() => {}
            ";" | "\n" => {
                let words = std::mem::take(&mut words);
                open.last_mut()?.push(Statement { words, block: Vec::new() });
            }
            "{" if open.len() > DEPTH_MAX => return None,
            "{" => {
                heads.push(std::mem::take(&mut words));
                open.push(Vec::new());
            }
            "}" => {
                if !words.is_empty() {
                    let words = std::mem::take(&mut words);
                    open.last_mut()?.push(Statement { words, block: Vec::new() });
                }
                let block = open.pop()?;
                let words = heads.pop()?;
                open.last_mut()?.push(Statement { words, block });
            }
            _ => words.push(token),
        }
    }
    if !words.is_empty() {
        open.last_mut()?.push(Statement { words, block: Vec::new() });
    }
    let all = open.pop()?;
    open.is_empty().then_some(all)
}

fn tokens(text: &str, ends: Ends) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let mut word = String::new();
        let mut quote = None;
        let mut finish = |word: &mut String| {
            if !word.is_empty() {
                tokens.push(std::mem::take(word));
            }
        };
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match (quote, c) {
                (Some(end), _) if c == end => quote = None,
                (Some(_), _) => word.push(c),
                (None, '"' | '\'' | '`') => quote = Some(c),
                (None, '#') if word.is_empty() => break,
                (None, ';') if ends == Ends::Semicolon => {
                    finish(&mut word);
                    word.push(';');
                    finish(&mut word);
                }
                // `{path}` of Caddy and `${name}` of nginx are words, and a quantifier is one's part.
                (None, '{')
                    if word.is_empty() && !rest.peek().is_some_and(|c| c.is_alphanumeric()) =>
                {
                    word.push('{');
                    finish(&mut word);
                }
                (None, '}') if !word.contains('{') => {
                    finish(&mut word);
                    word.push('}');
                    finish(&mut word);
                }
                (None, _) if c.is_whitespace() => finish(&mut word),
                (None, _) => word.push(c),
            }
        }
        finish(&mut word);
        if ends == Ends::Line {
            tokens.push("\n".to_owned());
        }
    }
    tokens
}
