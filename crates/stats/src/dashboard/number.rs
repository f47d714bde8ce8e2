//! Numbers as the dashboard says them, and how one compares with another.
//!
//! What it is not: rounding. What a viewer may see is decided before; see [`crate::viewer`].
//!
//! What surprises: on a shared link a 0 stands for anything below ten, so it is never written as 0, and
//! nothing is a percentage of a few.

use crate::text::grouped;
use crate::viewer::{SHARE_STEP, Viewer};

/// A number for people.
pub(crate) fn told(viewer: &Viewer, number: u64) -> String {
    if number == 0 && viewer.is_share() { format!("< {SHARE_STEP}") } else { grouped(number) }
}

/// How a number compares with the one before, in words; no percentages of numbers below `k`.
pub(crate) fn change(viewer: &Viewer, k: u32, value: u64, before: u64) -> String {
    if before == 0 && viewer.is_share() {
        return format!("fewer than {SHARE_STEP} before");
    }
    if value == before {
        // Also where the running hour, which is compared with nothing, holds all there is.
        return if value == 0 { "none before" } else { "as many as before" }.to_owned();
    }
    let word = if value > before { "more" } else { "fewer" };
    if before == 0 {
        return format!("{} {word}; none before", grouped(value));
    }
    if before < u64::from(k) {
        return format!(
            "{} {word} than {} before",
            grouped(value.abs_diff(before)),
            grouped(before)
        );
    }
    let percent = u128::from(value.abs_diff(before)) * 100 / u128::from(before);
    if percent == 0 {
        return format!("about as many as {} before", grouped(before));
    }
    let percent = grouped(u64::try_from(percent).unwrap_or(u64::MAX));
    format!("{percent} % {word} than {} before", grouped(before))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::Access;
    use crate::tests::fake::host;

    fn analyst() -> Viewer {
        Viewer::new(Access::ALL)
    }

    fn share() -> Viewer {
        Viewer::of_share(host("example.org"), "hc_x".to_owned())
    }

    #[test]
    fn a_change_is_told_in_words() {
        for (value, before, words) in [
            (5, 5, "as many as before"),
            (0, 0, "none before"),
            (7, 0, "7 more; none before"),
            (7, 4, "3 more than 4 before"),
            (0, 1, "1 fewer than 1 before"),
            (7, 5, "40 % more than 5 before"),
            (0, 50, "100 % fewer than 50 before"),
            (1_001, 1_000, "about as many as 1\u{202f}000 before"),
            (150, 100, "50 % more than 100 before"),
        ] {
            assert_eq!(change(&analyst(), 5, value, before), words);
        }
        let large = "18\u{202f}446\u{202f}744\u{202f}073\u{202f}709\u{202f}551\u{202f}615";
        let words = format!("{large} % more than 1 before");
        assert_eq!(change(&analyst(), 1, u64::MAX, 1), words);
        // What is rounded down to 0 may be 9.
        assert_eq!(change(&share(), 10, 0, 0), "fewer than 10 before");
        assert_eq!(change(&share(), 10, 40, 0), "fewer than 10 before");
        assert_eq!(change(&share(), 10, 40, 20), "100 % more than 20 before");
        assert_eq!([share(), analyst()].map(|viewer| told(&viewer, 0)), ["< 10", "0"]);
        assert_eq!(told(&share(), 1_230), "1\u{202f}230");
    }

    proptest! {
        #[test]
        fn no_percentage_is_of_fewer_than_k(value: u64, before in 0u64..40, k in 0u32..40) {
            let words = change(&analyst(), k, value, before);
            prop_assert!(before > 0 && before >= u64::from(k) || !words.contains('%'), "{}", words);
        }
    }
}
