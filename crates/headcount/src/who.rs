//! Who gives a command: the user of the operating system, for the admin log.
//!
//! What it is not: a check. Whoever may write the data folder may give every command.
//!
//! What surprises: `sudo` makes everybody root. Where Linux remembers who signed in, that is told too.

use headcount_store::control::admin::Actor;

/// What the kernel says where nobody signed in.
const NOBODY: u32 = u32::MAX;
/// Largest `/etc/passwd` that is read for a name.
const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// The one who gives this command.
pub(crate) fn user() -> Actor {
    let passwd = passwd();
    let runs_as = rustix::process::getuid().as_raw();
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    let login = login.and_then(|text| text.trim().parse().ok());
    Actor::User(told(runs_as, login, &passwd))
}

fn passwd() -> String {
    let is_small =
        std::fs::metadata("/etc/passwd").is_ok_and(|file| file.len() <= PASSWD_BYTES_MAX);
    if is_small {
        std::fs::read_to_string("/etc/passwd").unwrap_or_default()
    } else {
        String::new()
    }
}

fn told(runs_as: u32, login: Option<u32>, passwd: &str) -> String {
    match login.filter(|login| *login != NOBODY && *login != runs_as) {
        Some(login) => format!("{} (signed in as {})", name(runs_as, passwd), name(login, passwd)),
        None => name(runs_as, passwd),
    }
}

/// The name of a number, or the number where this machine's own list has none.
fn name(uid: u32, passwd: &str) -> String {
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_who_gives_a_command() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n\nbad\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        for (uid, login, expect) in [
            (0, None, "root"),
            (0, Some(NOBODY), "root"),
            (0, Some(1000), "root (signed in as anna)"),
            (1000, Some(1000), "anna"),
            (7, Some(8), "uid 7 (signed in as uid 8)"),
        ] {
            assert_eq!(told(uid, login, passwd), expect);
        }
        let Actor::User(name) = user() else { panic!() };
        assert!(!name.is_empty());
    }
}
