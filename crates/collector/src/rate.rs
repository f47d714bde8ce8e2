//! How many hits one network may send to one site in a minute.
//!
//! What it is not: a list of networks. A network is hashed with a key that lives for a day, into a
//! table of fixed size that is swept each minute.
//!
//! What surprises: the table is a count-min sketch (Cormode, Muthukrishnan 2005): where two
//! networks share both their places, the smaller of two sums is taken, so a network can only be
//! over-counted, and only if it collides twice.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::locked::LooseKey;
use crate::peer::Prefix;

/// Places in each of the two rows: 2 × 128 Ki × 8 bytes = 2 MiB, touched as they are used.
const PLACES: usize = 128 * 1024;
/// Rows of the sketch.
const ROWS: usize = 2;
/// Bits of a place that count; the rest hold the minute the count belongs to.
const COUNT_BITS: u32 = 32;

/// The table.
pub struct RateLimit {
    per_minute: u32,
    key: LooseKey,
    places: Box<[AtomicU64]>,
    /// The minute of the last sweep.
    swept: AtomicU64,
}

impl RateLimit {
    /// A limit of `per_minute` hits; 0 is off.
    pub fn new(per_minute: u32, key: [u8; 32]) -> Self {
        let places = if per_minute == 0 { 0 } else { PLACES * ROWS };
        let places = (0..places).map(|_| AtomicU64::new(0)).collect();
        Self { per_minute, key: LooseKey::new(&key), places, swept: AtomicU64::new(0) }
    }

    /// Goes on with another key: nobody can ask any more which networks were counted under the
    /// last one.
    pub(crate) fn renew(&self, key: &[u8; 32]) {
        self.key.replace(key);
        self.places.iter().for_each(|place| place.store(0, Ordering::Relaxed));
    }

    /// Forgets what other minutes than the running one counted, once a minute.
    pub(crate) fn sweep(&self, unix_seconds: u64) {
        let minute = minute_of(unix_seconds);
        if self.swept.swap(minute, Ordering::Relaxed) == minute {
            return;
        }
        for place in &self.places {
            let old = place.load(Ordering::Relaxed);
            if old != 0 && old >> COUNT_BITS != minute {
                // A hit that came first has made it a place of this minute.
                place.compare_exchange(old, 0, Ordering::Relaxed, Ordering::Relaxed).ok();
            }
        }
    }

    /// Counts one hit and tells whether it is within the limit.
    pub fn allows(&self, site: u32, prefix: Prefix, unix_seconds: u64) -> bool {
        if self.per_minute == 0 {
            return true;
        }
        let mut input = [0u8; 11];
        input[..4].copy_from_slice(&site.to_le_bytes());
        input[4..].copy_from_slice(&prefix.hash_input());
        let hash = blake3::keyed_hash(&self.key.bytes(), &input);
        let minute = minute_of(unix_seconds);
        let count = hash
            .as_bytes()
            .chunks_exact(4)
            .take(ROWS)
            .enumerate()
            .filter_map(|(row, bytes)| {
                let at = u32::from_le_bytes(bytes.try_into().ok()?);
                let place = usize::try_from(at).ok()? % PLACES + row * PLACES;
                Some(bump(self.places.get(place)?, minute))
            })
            .min();
        count.is_none_or(|count| count <= u64::from(self.per_minute))
    }
}

fn minute_of(unix_seconds: u64) -> u64 {
    (unix_seconds / 60) & u64::from(u32::MAX)
}

/// One more in this minute; a place that counted another minute begins again.
fn bump(place: &AtomicU64, minute: u64) -> u64 {
    let next = |old: u64| {
        let count = if old >> COUNT_BITS == minute { old & u64::from(u32::MAX) } else { 0 };
        (minute << COUNT_BITS) | (count + 1).min(u64::from(u32::MAX))
    };
    let old = place
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(next(old)))
        .unwrap_or_else(|old| old);
    next(old) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::AddressSource;

    fn prefix(text: &str) -> Prefix {
        let source = AddressSource::default();
        source.prefix(source.peer(text.parse().unwrap()), &hyper::HeaderMap::new()).unwrap()
    }

    #[test]
    fn limits_a_network_per_site_and_minute() {
        let limit = RateLimit::new(3, [7; 32]);
        let net = prefix("198.51.100.1:1");
        let answers: Vec<bool> = (0..5).map(|_| limit.allows(1, net, 600)).collect();
        assert_eq!(answers, [true, true, true, false, false]);
        assert!(limit.allows(2, net, 600), "another site");
        assert!(limit.allows(1, prefix("198.51.101.1:1"), 600), "another network");
        assert!(!limit.allows(1, prefix("198.51.100.200:1"), 659), "same network");
        assert!(limit.allows(1, net, 660), "next minute");
        let held = || limit.places.iter().filter(|p| p.load(Ordering::Relaxed) != 0).count();
        limit.sweep(660);
        assert!(held() == ROWS && !(0..3).all(|_| limit.allows(1, net, 660)), "the running minute");
        limit.sweep(720);
        assert_eq!(held(), 0, "networks of a minute that is over");
        assert!(limit.allows(1, net, 720));
        limit.renew(&[8; 32]);
        assert_eq!(held(), 0);
        assert!((0..9).all(|_| RateLimit::new(0, [7; 32]).allows(1, net, 600)), "0 is off");
    }
}
