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
use headcount_store::control::{Grant, Role};
use subtle::ConstantTimeEq as _;

/// Sessions at once; beyond, the oldest of the same token makes room, or else the oldest of all.
pub const SESSIONS_MAX: usize = 1_000;
/// Life of a session: a working day and a bit.
pub const SESSION_SECONDS: u64 = 12 * 3_600;
/// Bytes of a session id or a sign-in code: 256 bits, beyond guessing.
const SECRET_BYTES: usize = 32;

/// What a signed-in person or a token may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The site; none: every site.
    pub site: Option<SiteHost>,
    /// How much of it.
    pub role: Role,
}

impl Access {
    /// Everything of every site: who has the link that the process printed.
    pub const ALL: Self = Self { site: None, role: Role::Owner };

    /// What a token opens.
    pub(crate) fn of(grant: &Grant) -> Self {
        Self { site: grant.site.clone(), role: grant.role }
    }

    /// Whether this site may be seen.
    pub fn allows(&self, site: &SiteHost) -> bool {
        self.site.as_ref().is_none_or(|own| own == site)
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

pub(crate) type Digest = [u8; blake3::OUT_LEN];

pub(crate) fn digest(secret: &str) -> Digest {
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

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// What it may see.
    pub(crate) access: Access,
    /// The token or link that it was begun with, and that ends it; none: the code of this process.
    pub(crate) token: Option<i64>,
}

struct Entry {
    session: Session,
    expires_at: u64,
}

/// The sessions that are open.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Digest, Entry>>);

impl Sessions {
    /// Opens a session and gives its id.
    pub(crate) fn open(&self, session: Session, now: u64) -> Result<String, NoRandom> {
        let id = new_secret()?;
        let mut table = self.table();
        table.retain(|_, entry| entry.expires_at > now);
        if table.len() >= SESSIONS_MAX {
            let is_other = |entry: &Entry| entry.session.token != session.token;
            let order = |entry: &Entry| (is_other(entry), entry.expires_at);
            let first = table.iter().min_by_key(|(_, entry)| order(entry)).map(|(key, _)| *key);
            if let Some(first) = first {
                table.remove(&first);
            }
        }
        table.insert(
            digest(&id),
            Entry { session, expires_at: now.saturating_add(SESSION_SECONDS) },
        );
        Ok(id)
    }

    /// The session with this id, if it is open.
    pub(crate) fn find(&self, id: &str, now: u64) -> Option<Session> {
        let table = self.table();
        let entry = table.get(&digest(id)).filter(|entry| entry.expires_at > now)?;
        Some(entry.session.clone())
    }

    /// Closes a session.
    pub(crate) fn close(&self, id: &str) {
        self.table().remove(&digest(id));
    }

    /// A poisoned table is still a table: each change of it is one insert or remove.
    fn table(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATOR: Session = Session { access: Access::ALL, token: None };

    #[test]
    fn sessions_expire_and_close() {
        let sessions = Sessions::default();
        let id = sessions.open(OPERATOR, 100).expect("random bytes");
        assert_eq!(id.len(), 64);
        assert_eq!(sessions.find(&id, 100 + SESSION_SECONDS - 1), Some(OPERATOR));
        assert_eq!(sessions.find(&id, 100 + SESSION_SECONDS), None);
        assert_eq!(sessions.find("", 100), None);
        sessions.close(&id);
        assert_eq!(sessions.find(&id, 100), None);
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_makes_room() {
        let sessions = Sessions::default();
        let first = sessions.open(OPERATOR, 0).expect("random bytes");
        for now in 1..=u64::try_from(SESSIONS_MAX).expect("small") {
            sessions.open(OPERATOR, now).expect("random bytes");
        }
        assert_eq!(sessions.table().len(), SESSIONS_MAX);
        assert_eq!(sessions.find(&first, 2), None);
    }

    #[test]
    fn who_signs_in_often_ends_no_session_of_another() {
        let sessions = Sessions::default();
        let of = |token| Session { access: Access::ALL, token };
        let others: Vec<String> =
            [None, Some(1)].map(|token| sessions.open(of(token), 0).expect("random bytes")).into();
        let first = sessions.open(of(Some(2)), 1).expect("random bytes");
        for _ in 0..=SESSIONS_MAX {
            sessions.open(of(Some(2)), 2).expect("random bytes");
        }
        assert_eq!(sessions.table().len(), SESSIONS_MAX);
        assert_eq!(sessions.find(&first, 3), None);
        assert!(others.iter().all(|id| sessions.find(id, 3).is_some()));
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
