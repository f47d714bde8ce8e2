//! The times of access logs, as Unix seconds.
//!
//! What it is not: a calendar; `headcount_core::time` is.
//!
//! What surprises: a line's own offset is believed, so a log written in summer time is counted in
//! its UTC hours.

use headcount_core::time::Day;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// A Unix time above this is in milliseconds (in seconds it would be the year 5138).
const SECONDS_MAX: f64 = 100_000_000_000.0;

/// `10/Oct/2000:13:55:36 -0700`.
pub(super) fn of_apache(text: &[u8]) -> Option<u64> {
    let month = text.get(3..6)?;
    let month = (1u32..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    let marks = [(2, b'/'), (6, b'/'), (11, b':')];
    marked(text, &marks)?;
    let day = Day::of_civil(digits(text, 7..11)?, month, digits(text, 0..2)?)?;
    seconds(day, clock(text.get(12..20)?)?, offset(text.get(20..)?.trim_ascii_start())?)
}

/// `2026-11-21T14:06:17+00:00`, with a fraction or a `Z`, a blank instead of the `T`; without an
/// offset it is UTC.
pub(crate) fn of_iso(text: &[u8]) -> Option<u64> {
    marked(text, &[(4, b'-'), (7, b'-')])?;
    if !matches!(text.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let day = Day::of_civil(digits(text, 0..4)?, digits(text, 5..7)?, digits(text, 8..10)?)?;
    let mut rest = text.get(19..)?;
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let end = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
        rest = fraction.get(end..)?;
    }
    seconds(day, clock(text.get(11..19)?)?, offset(rest.trim_ascii_start())?)
}

/// Seconds or milliseconds since 1970, as text or number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie within a few thousand years"
)]
pub(super) fn of_number(number: f64) -> Option<u64> {
    let seconds = if number > SECONDS_MAX { number / 1_000.0 } else { number };
    (0.0..SECONDS_MAX).contains(&seconds).then_some(seconds as u64)
}

/// Any of the three.
pub(super) fn of_text(text: &str) -> Option<u64> {
    let bytes = text.trim().as_bytes();
    of_apache(bytes)
        .or_else(|| of_iso(bytes))
        .or_else(|| text.trim().parse().ok().and_then(of_number))
}

fn marked(text: &[u8], marks: &[(usize, u8)]) -> Option<()> {
    marks.iter().all(|(at, mark)| text.get(*at) == Some(mark)).then_some(())
}

/// `13:55:36` as seconds of the day; a leap second is the one before it.
fn clock(text: &[u8]) -> Option<u64> {
    marked(text, &[(2, b':'), (5, b':')])?;
    let (hour, minute) = (digits(text, 0..2)?, digits(text, 3..5)?);
    let second = digits(text, 6..8)?;
    let fits = hour < 24 && minute < 60 && second <= 60;
    fits.then(|| u64::from(hour * 3_600 + minute * 60 + second.min(59)))
}

/// `-0700`, `+02:00`, `+02` as PostgreSQL has it, `Z` or nothing, in seconds east.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text.split_first() {
        None | Some((b'Z' | b'z', [])) => return Some(0),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => return None,
    };
    let minutes = match rest {
        [_, _, b':', _, _] => 3..5,
        [_, _, _, _] => 2..4,
        [_, _] => 2..2,
        _ => return None,
    };
    let (hours, minutes) = (digits(rest, 0..2)?, digits(rest, minutes)?);
    Some(sign * i64::from(hours * 3_600 + minutes * 60))
}

fn seconds(day: Day, of_day: u64, offset: i64) -> Option<u64> {
    day.first_hour().unix_seconds().checked_add(of_day)?.checked_add_signed(-offset)
}

fn digits(text: &[u8], range: std::ops::Range<usize>) -> Option<u32> {
    text.get(range)?
        .iter()
        .try_fold(0u32, |n, byte| byte.is_ascii_digit().then(|| n * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(of_text(text), expect, "{text}");
    }

    #[test]
    fn reads_the_times_of_servers() {
        check("10/Oct/2000:13:55:36 -0700", Some(971_211_336));
        check("10/Oct/2000:22:55:36 +0200", Some(971_211_336));
        check("2000-10-10T20:55:36+00:00", Some(971_211_336));
        check("2000-10-10T20:55:36.123Z", Some(971_211_336));
        check("2000-10-10 13:55:36-0700", Some(971_211_336));
        check("2000-10-10 22:55:36.123+02", Some(971_211_336));
        check("971211336.417", Some(971_211_336));
        check("971211336417", Some(971_211_336));
        check("01/Jan/1970:00:00:00 +0000", Some(0));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "30/Feb/2024:10:00:00 +0000",
            "10/oct/2000:13:55:36 -0700",
            "10/Oct/2000:24:00:00 +0000",
            "10/Oct/2000:13:55:36 0700",
            "10/Oct/2000:13:55:36 +07000",
            "2000-10-10 22:55:36+2",
            "2000-10-10",
            "2000-10-10T20:55",
            "-5",
            "NaN",
            "1e300",
            "01/Jan/1970:00:00:00 +0100",
        ] {
            check(text, None);
        }
    }
}
