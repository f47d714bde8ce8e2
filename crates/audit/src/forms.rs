//! The forms in which a text or an address could have been written down.
//!
//! What it is not: every form there could be; a report names those that were looked for.
//!
//! What surprises: base64 has three forms, because what stands before a text moves its letters.

use crate::marker::{dotted, grouped};

/// A form: its name and its bytes.
pub(crate) type Form = (&'static str, Vec<u8>);

/// The names of all forms, for reports.
pub const NAMES: [&str; 20] = [
    "as it is",
    "lower case",
    "upper case",
    "hexadecimal",
    "percent-encoded",
    "percent-encoded twice",
    "base64",
    "base64 for addresses",
    "UTF-16, little end first",
    "UTF-16, big end first",
    "backwards",
    "digits of another script",
    "four bytes",
    "four bytes backwards",
    "sixteen bytes",
    "sixteen bytes backwards",
    "octets backwards",
    "decimal number",
    "mapped into IPv6",
    "shortened",
];

/// Every form of a text.
pub(crate) fn of_text(text: &str) -> Vec<Form> {
    let bytes = text.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let twice = percent.replace('%', "%25");
    let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let mut forms = vec![
        ("as it is", bytes.to_vec()),
        ("lower case", text.to_lowercase().into_bytes()),
        ("upper case", text.to_uppercase().into_bytes()),
        ("hexadecimal", hex.to_uppercase().into_bytes()),
        ("hexadecimal", hex.into_bytes()),
        ("percent-encoded", percent.to_uppercase().into_bytes()),
        ("percent-encoded", percent.into_bytes()),
        ("percent-encoded twice", twice.to_uppercase().into_bytes()),
        ("percent-encoded twice", twice.into_bytes()),
        ("UTF-16, little end first", wide(u16::to_le_bytes)),
        ("UTF-16, big end first", wide(u16::to_be_bytes)),
        ("backwards", bytes.iter().rev().copied().collect()),
    ];
    if bytes.iter().all(u8::is_ascii_digit) {
        forms.push(("digits of another script", fullwidth(text).into_bytes()));
    }
    for shift in 0..3 {
        let letters = base64_inside(bytes, shift);
        let url: String = letters
            .chars()
            .map(|c| {
                if c == '+' {
                    '-'
                } else if c == '/' {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        if url != letters {
            forms.push(("base64 for addresses", url.into_bytes()));
        }
        forms.push(("base64", letters.into_bytes()));
    }
    forms
}

/// Digits as full-width ones, which a sanitiser must know.
pub fn fullwidth(digits: &str) -> String {
    let wide = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(0xff10 + digit));
    digits.chars().map(|c| wide(c).unwrap_or(c)).collect()
}

/// Every form of an IPv4 address.
pub(crate) fn of_v4(octets: [u8; 4]) -> Vec<Form> {
    let [a, b, c, d] = octets;
    let backwards = [d, c, b, a];
    let mut forms = of_text(&dotted(octets));
    forms.retain(|(name, _)| *name != "backwards");
    forms.extend([
        ("four bytes", octets.to_vec()),
        ("four bytes backwards", backwards.to_vec()),
        ("octets backwards", dotted(backwards).into_bytes()),
        ("decimal number", u32::from_be_bytes(octets).to_string().into_bytes()),
        ("decimal number", u32::from_le_bytes(octets).to_string().into_bytes()),
        ("mapped into IPv6", format!("::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}").into_bytes()),
        ("hexadecimal", format!("{a:02x}{b:02x}{c:02x}{d:02x}").into_bytes()),
        ("hexadecimal", format!("{a:02X}{b:02X}{c:02X}{d:02X}").into_bytes()),
        ("shortened", dotted([a, b, c, 0]).into_bytes()),
    ]);
    forms
}

/// Every form of an IPv6 address without a group of zero.
pub(crate) fn of_v6(octets: [u8; 16]) -> Vec<Form> {
    let text = grouped(&octets);
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let network: Vec<&str> = text.split(':').take(3).collect();
    let mut forms = of_text(&text);
    forms.retain(|(name, _)| *name != "backwards");
    forms.extend([
        ("sixteen bytes", octets.to_vec()),
        ("sixteen bytes backwards", octets.iter().rev().copied().collect()),
        ("hexadecimal", hex.to_uppercase().into_bytes()),
        ("hexadecimal", hex.into_bytes()),
        ("shortened", network.join(":").into_bytes()),
        ("shortened", octets[..6].to_vec()),
    ]);
    forms
}

/// The part of a base64 text that is the same whatever stands around, `shift` bytes after a
/// group's beginning.
fn base64_inside(bytes: &[u8], shift: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let skip = (3 - shift) % 3;
    let groups = bytes.get(skip..).unwrap_or_default().chunks_exact(3);
    let letters = groups.flat_map(|group| {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        [18, 12, 6, 0].map(|at| char::from(LETTERS[(bits >> at & 63) as usize]))
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_listed_name() {
        let mut v6 = [0x11; 16];
        v6[0] = 0x20;
        let all = of_text("271828182845").into_iter().chain(of_v4([198, 51, 100, 7]));
        let mut names: Vec<_> = all.chain(of_v6(v6)).map(|(name, _)| name).collect();
        names.extend(of_text("~~~???>>>ÿÿÿ").into_iter().map(|(name, _)| name));
        for name in &names {
            assert!(NAMES.contains(name), "{name}");
        }
        for name in NAMES {
            assert!(names.contains(&name), "{name} is never made");
        }
    }

    #[test]
    fn the_forms_are_what_other_programs_write() {
        let has = |forms: Vec<Form>, bytes: &[u8]| {
            assert!(forms.iter().any(|(_, form)| form == bytes), "{bytes:?}");
        };
        has(of_text("kanari"), b"a2FuYXJp");
        has(of_text("kanari"), b"%6b%61%6e%61%72%69");
        has(of_text("kanari"), b"%256b%2561%256e%2561%2572%2569");
        has(of_text("12345678"), "１２３４５６７８".as_bytes());
        has(of_v4([198, 51, 100, 7]), b"3325256711");
        has(of_v4([198, 51, 100, 7]), b"7.100.51.198");
        has(of_v4([198, 51, 100, 7]), b"::ffff:c633:6407");
    }
}
