//! Names of countries, by code.
//!
//! What it is not: a judgement on territories. The names are those of the public domain list
//! `iso3166.tab` of the time zone database.
//!
//! What surprises: no flags. Where no font has them they are two empty boxes, so the dashboard shows
//! the code instead.

/// Code and name, a pair a line, with comments.
const LIST: &str = include_str!("../../data/iso3166.tab");

/// The code of networks that the country database does not know.
const UNKNOWN: &str = "ZZ";

/// The name of a code such as `SE`.
pub(crate) fn name(code: &str) -> Option<&'static str> {
    if code == UNKNOWN {
        return Some("unknown country");
    }
    LIST.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .find_map(|(known, name)| (known == code).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names() {
        assert_eq!(name("SE"), Some("Sweden"));
        assert_eq!(name("ZZ"), Some("unknown country"));
        for none in ["", "se", "(other)", "#", "SE\tSweden"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
