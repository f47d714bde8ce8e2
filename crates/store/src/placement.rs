//! Placement: a checksum over which number stands in which cell, that adds up like the numbers.
//!
//! What it is not: secret, or about visitors. It is a sum over counters that are in the file anyway.
//!
//! What surprises: it is linear. The placement of two inserts is the sum of theirs, so the ledger
//! can carry it, and a count that moved to another cell (a flipped bit in a key, a name that was
//! exchanged) unbalances the books although every total is still right.

use headcount_core::cell::Counts;

/// A stable hash of a text: the first 8 bytes of BLAKE3.
pub(crate) fn text_hash(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a BLAKE3 hash has 32 bytes");
    u64::from_le_bytes(*first)
}

/// A stable hash of numbers in order (the finaliser of splitmix64, chained).
pub(crate) fn chain(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0x9e37_79b9_7f4a_7c15, |state, number| {
        let mut z = (state ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// What `counts` in the cell of hash `cell` add to the placement, modulo 2^64. Each number has an
/// odd weight of its own, so a change of one number always shows.
pub(crate) fn weigh(cell: u64, counts: &Counts) -> u64 {
    let weight = |turn: u32| cell.rotate_left(turn) | 1;
    [counts.views, counts.visitors, counts.visits, counts.clicks, counts.refused]
        .iter()
        .zip([0, 13, 26, 39, 52])
        .fold(0u64, |sum, (count, turn)| sum.wrapping_add(count.wrapping_mul(weight(turn))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(numbers: [u32; 5]) -> Counts {
        let [views, visitors, visits, clicks, refused] = numbers.map(u64::from);
        Counts { views, visitors, visits, clicks, refused }
    }

    proptest! {
        #[test]
        fn adds_up_like_the_counts(cell: u64, a: [u32; 5], b: [u32; 5]) {
            let (a, b) = (counts(a), counts(b));
            let sum = a.checked_add(b).unwrap();
            prop_assert_eq!(weigh(cell, &sum), weigh(cell, &a).wrapping_add(weigh(cell, &b)));
        }

        #[test]
        fn sees_any_flipped_bit(cell: u64, a: [u32; 5], at in 0usize..5, bit in 0u32..32) {
            let mut flipped = a;
            flipped[at] ^= 1 << bit;
            prop_assert_ne!(weigh(cell, &counts(a)), weigh(cell, &counts(flipped)));
        }
    }

    #[test]
    fn stays_the_same_for_ever() {
        // Written in ledgers: a change here makes every existing file look damaged.
        assert_eq!(
            (text_hash("/"), chain(&[1, 2, 3])),
            (17_874_896_248_025_489_202, 5_246_500_226_706_903_259)
        );
    }
}
