//! Who is signed in: one-time proof (a code or a token) exchanged for a cookie that means nothing
//! outside this process.
//!
//! What it is not: about visitors. Only analysts get a cookie, on the dashboard's own host.
//!
//! What surprises: the table holds hashes of the ids. A look-up compares hashes, so its timing
//! tells nothing about an id, and a memory dump holds no usable cookie.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headcount_core::site::SiteHost;
use subtle::ConstantTimeEq as _;

/// Sessions at once; the one that would expire first makes room.
pub const SESSIONS_MAX: usize = 1_000;
/// Life of a session: a working day and a bit.
pub const SESSION_SECONDS: u64 = 12 * 3_600;
/// Bytes of a session id or a sign-in code: 256 bits, beyond guessing.
const SECRET_BYTES: usize = 32;

/// What a signed-in person or a token may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every site: the operator.
    All,
    /// One site: an analyst.
    Site(SiteHost),
}

impl Access {
    /// Whether this site may be seen.
    pub fn allows(&self, site: &SiteHost) -> bool {
        match self {
            Self::All => true,
            Self::Site(own) => own == site,
        }
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("failed to get random bytes from the operating system")]
pub struct NoRandom;

/// A fresh secret of 256 bits as 64 hexadecimal digits: for a sign-in code or a session id.
///
/// # Errors
/// [`NoRandom`] where the operating system has none to give.
pub fn new_secret() -> Result<String, NoRandom> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(blake3::Hash::from_bytes(bytes).to_hex().to_string())
}

type Digest = [u8; blake3::OUT_LEN];

fn digest(secret: &str) -> Digest {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// The operator's codes, hashed.
pub(crate) struct Codes(Vec<Digest>);

impl Codes {
    pub(crate) fn new(codes: &[String]) -> Self {
        Self(codes.iter().map(|code| digest(code)).collect())
    }

    /// Whether `code` is one of them; every code is compared, in constant time.
    pub(crate) fn contains(&self, code: &str) -> bool {
        let given = digest(code);
        let found =
            self.0.iter().fold(subtle::Choice::from(0), |any, known| any | known.ct_eq(&given));
        found.into()
    }
}

struct Session {
    access: Access,
    expires_at: u64,
}

/// The sessions that are open.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Digest, Session>>);

impl Sessions {
    /// Opens a session and gives its id.
    pub(crate) fn open(&self, access: Access, now: u64) -> Result<String, NoRandom> {
        let id = new_secret()?;
        let mut table = self.table();
        table.retain(|_, session| session.expires_at > now);
        if table.len() >= SESSIONS_MAX {
            let first =
                table.iter().min_by_key(|(_, session)| session.expires_at).map(|(key, _)| *key);
            if let Some(first) = first {
                table.remove(&first);
            }
        }
        table.insert(
            digest(&id),
            Session { access, expires_at: now.saturating_add(SESSION_SECONDS) },
        );
        Ok(id)
    }

    /// What the session with this id may see, if it is open.
    pub(crate) fn find(&self, id: &str, now: u64) -> Option<Access> {
        let table = self.table();
        let session = table.get(&digest(id)).filter(|session| session.expires_at > now)?;
        Some(session.access.clone())
    }

    /// Closes a session.
    pub(crate) fn close(&self, id: &str) {
        self.table().remove(&digest(id));
    }

    /// A poisoned table is still a table: each change of it is one insert or remove.
    fn table(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_expire_and_close() {
        let sessions = Sessions::default();
        let id = sessions.open(Access::All, 100).expect("random bytes");
        assert_eq!(id.len(), 64);
        assert_eq!(sessions.find(&id, 100 + SESSION_SECONDS - 1), Some(Access::All));
        assert_eq!(sessions.find(&id, 100 + SESSION_SECONDS), None);
        assert_eq!(sessions.find("", 100), None);
        sessions.close(&id);
        assert_eq!(sessions.find(&id, 100), None);
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_makes_room() {
        let sessions = Sessions::default();
        let first = sessions.open(Access::All, 0).expect("random bytes");
        for now in 1..=u64::try_from(SESSIONS_MAX).expect("small") {
            sessions.open(Access::All, now).expect("random bytes");
        }
        assert_eq!(sessions.table().len(), SESSIONS_MAX);
        assert_eq!(sessions.find(&first, 2), None);
    }

    #[test]
    fn only_the_code_is_the_code() {
        let code = new_secret().expect("random bytes");
        let codes = Codes::new(&["x".repeat(64), code.clone()]);
        assert!(codes.contains(&code));
        for wrong in
            ["", "x", code.trim_start_matches(|c| code.starts_with(c)), &format!("{code} ")]
        {
            assert!(!codes.contains(wrong));
        }
        assert!(!Codes::new(&[]).contains(""));
    }
}
