//! The link by which a process lets its operator in: what is printed of it, and for how long it works.
//!
//! What it is not: `headcount signin`, whose links work once and can be revoked.
//!
//! What surprises: it depends on where standard output goes. On a terminal one person reads it, so it
//! works as long as the process. A log is kept, and read by others: there it works for an hour, and in
//! the journal, where services end, it is not written at all.

use std::io::IsTerminal as _;

use anyhow::Context;
use headcount_stats::session::new_secret;

use crate::config;
use crate::up::welcome;

/// Life of a link that is printed to something that may be kept.
const LOGGED_SECONDS: u64 = 3_600;
/// How systemd names the journal's end of standard output: device and inode.
const JOURNAL: &str = "JOURNAL_STREAM";

/// Where standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Terminal,
    Journal,
    /// A file or a pipe: a container's log, a test.
    Other,
}

/// The code of this process.
pub(crate) struct StartLink {
    code: Option<String>,
    until: Option<u64>,
}

impl StartLink {
    /// Draws a code for a process that begins now, in Unix seconds.
    ///
    /// # Errors
    /// If the operating system has no random bytes.
    pub(crate) fn draw(now: u64) -> anyhow::Result<Self> {
        Self::read_on(output(), now)
    }

    fn read_on(output: Output, now: u64) -> anyhow::Result<Self> {
        let code = || new_secret().context("no random bytes for the sign-in link");
        Ok(match output {
            Output::Terminal => Self { code: Some(code()?), until: None },
            Output::Journal => Self { code: None, until: None },
            Output::Other => Self { code: Some(code()?), until: Some(now + LOGGED_SECONDS) },
        })
    }

    /// What signs in.
    pub(crate) fn codes(&self) -> Vec<String> {
        self.code.iter().cloned().collect()
    }

    /// Until when, in Unix seconds; none: as long as the process runs.
    pub(crate) fn until(&self) -> Option<u64> {
        self.until
    }

    /// The dashboard's address, with the code where it may be told; and what to know of it.
    pub(crate) fn told(&self, origin: &str) -> String {
        let Some(code) = &self.code else {
            return format!("{origin}/\n            sign in: headcount signin");
        };
        let link = welcome::sign_in(origin, code);
        match self.until {
            Some(_) => format!("{link}\n            (for an hour; afterwards: headcount signin)"),
            None => link,
        }
    }
}

fn output() -> Output {
    let stdout = std::io::stdout();
    if stdout.is_terminal() {
        return Output::Terminal;
    }
    let journal = config::environment().into_iter().find(|(key, _)| key == JOURNAL);
    let is_it = |name: String| {
        let file = rustix::fs::fstat(&stdout);
        file.is_ok_and(|file| name == format!("{}:{}", file.st_dev, file.st_ino))
    };
    if journal.is_some_and(|(_, name)| is_it(name)) { Output::Journal } else { Output::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_less() {
        let drawn = |output| StartLink::read_on(output, 100).unwrap();
        for (output, until, has_code) in [
            (Output::Terminal, None, true),
            (Output::Other, Some(100 + LOGGED_SECONDS), true),
            (Output::Journal, None, false),
        ] {
            let link = drawn(output);
            let told = link.told("http://x");
            assert_eq!((link.until(), link.codes().len()), (until, usize::from(has_code)));
            assert_eq!(told.contains("/signin?code="), has_code, "{told}");
            assert_eq!(told.contains("headcount signin"), output != Output::Terminal, "{told}");
        }
    }
}
