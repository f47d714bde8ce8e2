//! Numbers that name a person or a device: the personal part of S5, and S6 to S9 (policy, part C).
//!
//! What it is not: a validator. No check digit is computed; what has the form of a personal number
//! is one.
//!
//! What surprises: `20050228-0123` stays, because the policy takes a compact date of this century
//! out first and four digits are left. The text has no extension, and gaps where UUIDs were.

use std::ops::Range;

use super::address::is_address;
use super::numbers::{Joint, compact_date, dates, joint};
use super::span::taken_out;
use super::text::{Run, digit_runs, runs};

/// Digits of the shortest number that is personal by any rule: a British one (S9).
const PERSONAL_DIGITS_MIN: usize = 6;
/// Digits in a row (S5): that count, and that count as personal.
const DIGITS_MIN: usize = 7;
const DIGITS_PERSONAL_MIN: usize = 10;
/// Digits of a number led by `+` or 0 (S6a), and of one in groups (S6b).
const LED_DIGITS_MIN: usize = 7;
const GROUPED_DIGITS_MIN: usize = 9;
/// Four-digit groups that are years rather than parts of a card number (S6b).
const YEARS: std::ops::RangeInclusive<u32> = 1_000..=2_100;
/// Digits before and after the point of a coordinate (S8).
const COORDINATE_WHOLE_MAX: usize = 3;
const COORDINATE_FRACTION_MIN: usize = 3;

/// Whether the text holds a personal span.
pub(super) fn is_personal(text: &[u8]) -> bool {
    if is_address(text) {
        return true;
    }
    if text.iter().filter(|byte| byte.is_ascii_digit()).count() < PERSONAL_DIGITS_MIN {
        return false;
    }
    let counted = taken_out(text, &cve_digits(text));
    digit_runs(&counted).any(|digits| is_personal_number(digits.bytes))
        || has_grouped_number(&counted)
        || has_coordinates(text)
        || has_national_number(text)
}

/// Whether the run has a sequence of digits that is content by S5, in its text.
pub(super) fn is_content_number(run: &Run<'_>, text: &[u8]) -> bool {
    let exempt = cve_digits(text);
    digit_runs(run.bytes).any(|digits| {
        let at = run.start + digits.start;
        let long = digits.len() >= DIGITS_MIN && !is_personal_number(digits.bytes);
        long && compact_date(digits.bytes).is_none() && !exempt.iter().any(|e| e.contains(&at))
    })
}

/// The personal part of S5.
fn is_personal_number(digits: &[u8]) -> bool {
    digits.len() >= DIGITS_PERSONAL_MIN || compact_date(digits).is_some_and(|year| year < 2_000)
}

/// The digits of `cve-2014-0160`, which S5 and S6 do not see.
fn cve_digits(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, window) in text.windows(4).enumerate() {
        if window.eq_ignore_ascii_case(b"cve-") {
            let mut digits = digit_runs(text).skip_while(|run| run.start < at + 4);
            if let (Some(year), Some(number)) = (digits.next(), digits.next())
                && year.range() == (at + 4..at + 8)
                && number.start == at + 9
                && text.get(at + 8) == Some(&b'-')
                && number.len() >= 4
            {
                found.extend([year.range(), number.range()]);
            }
        }
    }
    found
}

/// S6, in a text without UUIDs and CVE numbers.
fn has_grouped_number(text: &[u8]) -> bool {
    let text = &*taken_out(text, &dates(text));
    let digits: Vec<_> = digit_runs(text).collect();
    let joined =
        |a: &Run<'_>, b: &Run<'_>, fits: fn(Joint) -> bool| joint(text, a, b).is_some_and(fits);
    digits.chunk_by(|a, b| joined(a, b, |_| true)).any(|group| is_led_number(text, group))
        || digits.chunk_by(|a, b| joined(a, b, |joint| !joint.dotted)).any(is_long_group)
        || digits.chunk_by(|a, b| joined(a, b, |joint| joint.space)).any(is_four_pairs)
}

/// S6a: led by `+` or 0. A group is maximal, so no digit is before it, also not across a joint.
fn is_led_number(text: &[u8], group: &[Run<'_>]) -> bool {
    let Some(first) = group.first() else { return false };
    let before = text.get(..first.start).unwrap_or_default();
    let plus = match before {
        [rest @ .., b'+'] | [rest @ .., b'+', b'('] => !ends_joined(rest),
        _ => false,
    };
    let zero = first.bytes.first() == Some(&b'0') && group.len() > 1;
    (plus || zero) && digits_of(group) >= LED_DIGITS_MIN
}

/// Whether the text ends with a digit, or with a digit and a joint.
fn ends_joined(text: &[u8]) -> bool {
    match text {
        [.., d] if d.is_ascii_digit() => true,
        [.., d, a] if d.is_ascii_digit() => Joint::of(&[*a]).is_some(),
        [.., d, a, b] if d.is_ascii_digit() => Joint::of(&[*a, *b]).is_some(),
        _ => false,
    }
}

/// S6b: two or more groups without dots, unless each is a year.
fn is_long_group(group: &[Run<'_>]) -> bool {
    let year = |run: &Run<'_>| run.len() == 4 && YEARS.contains(&number(run.bytes));
    group.len() > 1 && digits_of(group) >= GROUPED_DIGITS_MIN && !group.iter().all(year)
}

/// S6c: exactly four pairs joined by single spaces.
fn is_four_pairs(group: &[Run<'_>]) -> bool {
    group.len() == 4 && group.iter().all(|run| run.len() == 2)
}

fn digits_of(group: &[Run<'_>]) -> usize {
    group.iter().map(Run::len).sum()
}

/// The value of a few digits.
pub(super) fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n: u32, digit| {
        n.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
    })
}

/// S8: two decimal numbers joined by a comma; either may have a sign.
fn has_coordinates(text: &[u8]) -> bool {
    let mut commas = text.iter().enumerate().filter(|(_, byte)| **byte == b',');
    commas.any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + 1..).unwrap_or_default();
        let after = match after {
            [b'+' | b'-', rest @ ..] => rest,
            _ => after,
        };
        is_decimal(before.iter().rev(), Fraction::First) && is_decimal(after.iter(), Fraction::Last)
    })
}

/// Which part of a decimal number comes first in the order of reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fraction {
    First,
    Last,
}

/// Whether the bytes begin with a decimal number, read away from the comma.
fn is_decimal<'a>(mut bytes: impl Iterator<Item = &'a u8>, fraction: Fraction) -> bool {
    let mut count = || {
        let mut digits = 0;
        loop {
            match bytes.next() {
                Some(byte) if byte.is_ascii_digit() => digits += 1,
                other => return (digits, other.copied()),
            }
        }
    };
    let (near, point) = count();
    let (far, _) = count();
    let (whole, decimals) = if fraction == Fraction::First { (far, near) } else { (near, far) };
    point == Some(b'.')
        && (1..=COORDINATE_WHOLE_MAX).contains(&whole)
        && decimals >= COORDINATE_FRACTION_MIN
}

/// S9: personal numbers of Finland and national insurance numbers of the United Kingdom.
fn has_national_number(text: &[u8]) -> bool {
    let mut before: Option<Run<'_>> = None;
    for run in runs(text) {
        if is_finnish(run.bytes) || is_british(run.bytes) {
            return true;
        }
        if let Some(head) = before
            && is_six_digits(head.bytes)
            && is_finnish_end(run.bytes)
            && run.start == head.range().end + 1
            && matches!(text.get(head.range().end), Some(b'-' | b'+'))
        {
            return true;
        }
        before = Some(run);
    }
    false
}

fn is_finnish(run: &[u8]) -> bool {
    run.split_at_checked(6).is_some_and(|(head, tail)| match tail {
        [b'a' | b'A', end @ ..] => is_six_digits(head) && is_finnish_end(end),
        _ => false,
    })
}

fn is_six_digits(run: &[u8]) -> bool {
    run.len() == 6 && run.iter().all(u8::is_ascii_digit)
}

fn is_finnish_end(run: &[u8]) -> bool {
    run.len() == 4 && run.iter().take(3).all(u8::is_ascii_digit)
}

fn is_british(run: &[u8]) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() && !b"dfiquv".contains(&b.to_ascii_lowercase());
    match run {
        [first, second, digits @ .., last] => {
            letter(*first)
                && letter(*second)
                && is_six_digits(digits)
                && matches!(last.to_ascii_lowercase(), b'a'..=b'd')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
