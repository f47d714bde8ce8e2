//! Text from outside made fit for a terminal, a CSV cell and a JSON string, and numbers for people.
//!
//! What it is not: HTML escaping. The templates do that for every value they show.
//!
//! What surprises: U+0080 to U+009F are control characters too, and some terminals obey them; JSON
//! does not require that they be escaped.

use std::fmt::Write as _;

/// Longest page or text that can be asked for; no clean page is longer.
pub(crate) const TEXT_BYTES_MAX: usize = 2_048;

/// Whether a character could move a cursor, reorder text or hide in it.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The text with each hidden character replaced by U+FFFD, so that its place still shows.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// JSON with `<` and hidden characters escaped: they can only stand in strings, where an escape
/// means the same. A browser that guessed HTML, or a terminal, then finds nothing to obey.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    let plain = value.to_string();
    let mut safe = String::with_capacity(plain.len());
    for c in plain.chars() {
        if c == '<' || is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                write!(safe, "\\u{unit:04x}").unwrap_or_default();
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// `1234567` as `1 234 567`, with spaces that do not break.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1234567` as `1.2M`, for the axis of a plot.
pub(crate) fn short(number: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1_000_000_000_000_000_000, "E"),
        (1_000_000_000_000_000, "P"),
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    for (unit, letter) in UNITS {
        if number >= unit {
            let (whole, tenth) = (number / unit, number % unit / (unit / 10));
            return if tenth == 0 || whole >= 100 {
                format!("{whole}{letter}")
            } else {
                format!("{whole}.{tenth}{letter}")
            };
        }
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_is_left() {
        for c in ['\u{1b}', '\u{9b}', '\n', '\u{202e}', '\u{200b}', '\u{feff}', '\u{e0041}'] {
            assert_eq!(visible(&format!("a{c}b")), "a\u{fffd}b");
            let json = json_text(&serde_json::json!([format!("a{c}<b")]));
            assert!(json.chars().all(|c| !is_hidden(c) && c != '<'), "{json}");
            let back: Vec<String> = serde_json::from_str(&json).expect("still JSON");
            assert_eq!(back, [format!("a{c}<b")]);
        }
        assert_eq!(visible("/käse/日本"), "/käse/日本");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1k"), (1_250, "1.2k"), (250_000, "250k")]
        {
            assert_eq!(short(number), text);
        }
        assert_eq!(short(u64::MAX), "18.4E");
    }
}
