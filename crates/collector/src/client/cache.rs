//! Each worker's memory of clients it has met: bounded, and keyed by a digest.
//!
//! What it is not: shared or locked. A worker owns one; all share the rules.
//!
//! What surprises: when the young half is full it becomes the old half and the older one is gone.
//! Whatever is in use is copied back at its next hit, so eviction costs nothing per hit.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::rules::{ClientRules, cut};
use super::{Client, UaDigest};
use crate::locked::LooseKey;

/// Most clients remembered by one worker: about 400 KB. Sites see some hundreds of agents a day.
pub const CLIENTS_CACHED_MAX: usize = 4_096;
const GENERATION_MAX: usize = CLIENTS_CACHED_MAX / 2;

type Generation = HashMap<UaDigest, Client, RandomState>;

/// Agent strings to clients, quickly.
pub struct Clients {
    rules: Arc<ClientRules>,
    key: Arc<LooseKey>,
    young: Generation,
    old: Generation,
}

impl Clients {
    /// An empty cache. `key` must be random; workers whose digests are compared share it.
    pub fn new(rules: Arc<ClientRules>, key: [u8; 32]) -> Self {
        Self::sharing(rules, Arc::new(LooseKey::new(&key)))
    }

    /// An empty cache whose key others have, too.
    pub(crate) fn sharing(rules: Arc<ClientRules>, key: Arc<LooseKey>) -> Self {
        Self { rules, key, young: Generation::default(), old: Generation::default() }
    }

    /// Forgets every client; under another key their digests mean nothing.
    pub(crate) fn forget(&mut self) {
        (self.young, self.old) = (Generation::default(), Generation::default());
    }

    /// The client of a `User-Agent` value (empty if absent) and the digest of that value.
    pub fn lookup(&mut self, agent: &[u8]) -> (Client, UaDigest) {
        let digest = self.digest(agent);
        if let Some(client) = self.young.get(&digest) {
            return (*client, digest);
        }
        let known = self.old.get(&digest).copied();
        let client = known.unwrap_or_else(|| self.rules.classify(agent));
        if self.young.len() >= GENERATION_MAX {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, client);
        (client, digest)
    }

    /// The client of a `User-Agent` value, without remembering it.
    pub(crate) fn classify(&self, agent: &[u8]) -> Client {
        self.rules.classify(agent)
    }

    /// How many clients are remembered, at most [`CLIENTS_CACHED_MAX`].
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    #[cfg(test)]
    pub(super) fn remembers(&self, agent: &[u8]) -> bool {
        let digest = self.digest(agent);
        self.young.contains_key(&digest) || self.old.contains_key(&digest)
    }

    fn digest(&self, agent: &[u8]) -> UaDigest {
        let hash = blake3::keyed_hash(&self.key.bytes(), cut(agent));
        let (head, _) = hash.as_bytes().split_at(size_of::<UaDigest>());
        head.try_into().expect("split at the length of a digest")
    }
}
