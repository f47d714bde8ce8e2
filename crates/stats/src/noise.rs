//! Noise for numbers that are published: whole numbers of the discrete Laplace distribution.
//!
//! What it is not: a way around thresholds. It is for totals that one visitor changes by one.
//!
//! What surprises: the sampler is exact and works on whole numbers alone. One made of a logarithm of
//! a random fraction leaks through its last bits what it should hide (Mironov 2012, "On Significance
//! of the Least Significant Bits for Differential Privacy"). This one is that of Canonne, Kamath and
//! Steinke (2020, arXiv 2004.00010), as the Prio library of the ISRG has it.

use std::fmt;
use std::str::FromStr;

use prio::dp::Rational;
use prio::dp::distributions::DiscreteLaplace;
use rand::SeedableRng as _;
use rand::distr::Distribution as _;
use rand::rngs::{StdRng, SysRng};

/// Epsilons are thousandths.
const ONE: u32 = 1_000;
/// Of a hundred errors, so many are within what is printed.
const SURE: f64 = 0.95;
/// Standard deviations that hold [`SURE`] of a normal distribution, which sums come near to.
const DEVIATIONS: f64 = 1.96;

/// How much a published number may tell of one visitor, in thousandths: 10 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epsilon(u32);

/// No number that an [`Epsilon`] can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number from 0.01 to 10 with at most three decimals is needed, such as 0.5")]
pub struct BadEpsilon;

/// The operating system gave no random bytes, or the draw did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random number could be drawn")]
pub struct NoDraw;

impl Epsilon {
    /// Smallest: errors of hundreds.
    const MIN: u32 = ONE / 100;
    /// Largest: hardly any noise.
    const MAX: u32 = ONE * 10;

    /// From thousandths.
    ///
    /// # Errors
    /// [`BadEpsilon`] outside of 10 to 10,000.
    pub fn of_thousandths(thousandths: u32) -> Result<Self, BadEpsilon> {
        if (Self::MIN..=Self::MAX).contains(&thousandths) {
            Ok(Self(thousandths))
        } else {
            Err(BadEpsilon)
        }
    }

    /// In thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// As a number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / f64::from(ONE)
    }

    /// How many times as likely one number becomes, at most, by one visitor.
    pub fn odds(self) -> f64 {
        self.value().exp()
    }

    /// What so many numbers of this epsilon tell together of one who is in all of them: epsilons add up.
    pub fn sum(self, numbers: u32) -> f64 {
        self.value() * f64::from(numbers)
    }

    /// The largest distance from the count that 95 of 100 draws keep.
    pub fn error(self) -> u64 {
        // P(|X| > b) = 2 q^(b+1) / (1 + q), with q = e^-epsilon.
        let q = (-self.value()).exp();
        let mut beyond = 2.0 * q / (1.0 + q);
        let mut error = 0;
        while beyond > 1.0 - SURE {
            beyond *= q;
            error += 1;
        }
        error
    }

    fn variance(self) -> f64 {
        let q = (-self.value()).exp();
        2.0 * q / ((1.0 - q) * (1.0 - q))
    }
}

impl FromStr for Epsilon {
    type Err = BadEpsilon;

    fn from_str(text: &str) -> Result<Self, BadEpsilon> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(BadEpsilon);
        }
        let whole: u32 = whole.parse().map_err(|_| BadEpsilon)?;
        let part: u32 = format!("{part:0<3}").parse().map_err(|_| BadEpsilon)?;
        Self::of_thousandths(whole.saturating_mul(ONE).saturating_add(part))
    }
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / ONE, self.0 % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The largest distance from the sum of counts that 95 of 100 sums of draws keep, about.
pub fn error_of_sum(epsilons: &[Epsilon]) -> u64 {
    let [one] = epsilons else {
        let variance: f64 = epsilons.iter().map(|epsilon| epsilon.variance()).sum();
        return whole(DEVIATIONS * variance.sqrt());
    };
    one.error()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

/// Draws noise.
pub struct Noise(StdRng);

impl Noise {
    /// Seeded by the operating system.
    ///
    /// # Errors
    /// [`NoDraw`] where that has no random bytes.
    pub fn new() -> Result<Self, NoDraw> {
        StdRng::try_from_rng(&mut SysRng).map(Self).map_err(|_| NoDraw)
    }

    /// A count with noise: one visitor more or less makes any result at most e^epsilon times as
    /// likely, or as unlikely.
    ///
    /// # Errors
    /// [`NoDraw`] beyond the numbers of 64 bits.
    pub fn add(&mut self, count: u64, epsilon: Epsilon) -> Result<i64, NoDraw> {
        let scale = Rational::from_unsigned(ONE, epsilon.thousandths()).map_err(|_| NoDraw)?;
        let noise = DiscreteLaplace::new(scale).map_err(|_| NoDraw)?.sample(&mut self.0);
        let noise = i64::try_from(noise).map_err(|_| NoDraw)?;
        i64::try_from(count).ok().and_then(|count| count.checked_add(noise)).ok_or(NoDraw)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn epsilon(text: &str) -> Epsilon {
        text.parse().expect("an epsilon")
    }

    #[test]
    fn epsilons_are_read_and_written_to_the_thousandth() {
        for (text, thousandths) in
            [("0.5", 500), ("1", 1_000), ("0.01", 10), ("10", 10_000), ("0.125", 125)]
        {
            assert_eq!(text.parse(), Ok(Epsilon(thousandths)), "{text}");
            assert_eq!(Epsilon(thousandths).to_string(), text);
        }
        for wrong in
            ["", "0", "0.009", "10.001", "-1", "1e0", ".5", "1.", "1.0000", "nan", "4294968", "٥"]
        {
            assert_eq!(wrong.parse::<Epsilon>(), Err(BadEpsilon), "{wrong}");
        }
    }

    #[test]
    fn the_printed_error_is_the_smallest_that_holds() {
        // Probabilities added up one by one; the notes on privacy have ±3 and ±6.
        for (text, known) in [("1", 3), ("0.5", 6), ("0.1", 30), ("0.01", 300), ("10", 0)] {
            let q = (-epsilon(text).value()).exp();
            let p = |x: i32| (1.0 - q) / (1.0 + q) * q.powi(x);
            let within = |b: i32| p(0) + 2.0 * (1..=b).map(p).sum::<f64>();
            let error = i32::try_from(epsilon(text).error()).expect("small");
            assert_eq!(error, known, "{text}");
            assert!(within(error) >= SURE && (error == 0 || within(error - 1) < SURE), "{text}");
        }
        assert_eq!(error_of_sum(&[epsilon("1")]), 3);
        assert_eq!(error_of_sum(&[epsilon("1"); 30]), 15, "1.96 * 1.357 * sqrt(30)");
        assert_eq!(error_of_sum(&[]), 0);
    }

    /// Each result must be about as often as the distribution has it, and next to any count.
    #[test]
    fn draws_are_those_of_the_discrete_laplace_distribution() {
        const DRAWS: u32 = 5_000;
        for (seed, text) in [(1, "1"), (2, "0.5"), (3, "2.125")] {
            let mut noise = Noise(StdRng::seed_from_u64(seed));
            let mut found: HashMap<i64, u32> = HashMap::new();
            for _ in 0..DRAWS {
                *found.entry(noise.add(1_000, epsilon(text)).expect("a draw")).or_default() += 1;
            }
            let q = (-epsilon(text).value()).exp();
            for distance in -6_i32..=6 {
                let p = (1.0 - q) / (1.0 + q) * q.powi(distance.abs());
                let expected = f64::from(DRAWS) * p;
                let seen =
                    f64::from(found.get(&(1_000 + i64::from(distance))).copied().unwrap_or(0));
                // Five standard deviations: seeds are fixed, so this passes or fails for ever.
                let allowed = 5.0 * (expected * (1.0 - p)).sqrt() + 1.0;
                assert!((seen - expected).abs() < allowed, "{text} {distance}: {seen}, {expected}");
            }
        }
    }

    #[test]
    fn small_counts_may_fall_below_nought_and_large_ones_are_refused() {
        let mut noise = Noise(StdRng::seed_from_u64(7));
        let draws: Vec<i64> =
            (0..200).map(|_| noise.add(0, epsilon("0.5")).expect("a draw")).collect();
        assert!(draws.iter().any(|draw| *draw < 0) && draws.iter().any(|draw| *draw > 0));
        assert_eq!(noise.add(u64::MAX, epsilon("0.5")), Err(NoDraw));
    }

    #[test]
    fn two_runs_draw_differently() {
        let draw = || {
            let mut noise = Noise::new().expect("random bytes");
            (0..16).map(|_| noise.add(0, epsilon("0.01")).expect("a draw")).collect::<Vec<_>>()
        };
        assert_ne!(draw(), draw());
    }
}
