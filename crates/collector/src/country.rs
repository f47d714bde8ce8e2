//! The country of a network, from a file in the MaxMind format that comes with the binary.
//!
//! What it is not: a locator. It is asked for a /24 or /48 and answers two letters; cities, regions
//! and coordinates that another file may hold are never read.
//!
//! What surprises: the embedded file is used where the system mapped it, without a copy, so it
//! costs only the pages that lookups touch; a configured file is read into memory whole.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;
use thiserror::Error;

/// iptoasn-country, PDDL-1.0; see `data/README.md`.
static EMBEDDED: &[u8] = include_bytes!("../data/country.mmdb");
/// Largest configured file; city databases, the largest of their kind, have about 130 MB.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Records of a configured file that are tried before it is said to hold no countries.
const RECORDS_TRIED_MAX: usize = 256;

/// The octets of an address that has already been cut to its network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Octets {
    /// IPv4.
    V4([u8; 4]),
    /// IPv6.
    V6([u8; 16]),
}

/// Two capital letters (ISO 3166-1), or `ZZ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// No country is known.
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// The code as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or("ZZ")
    }

    fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }
}

/// The country file cannot be used.
#[derive(Debug, Error)]
pub enum CountriesError {
    /// It cannot be read.
    #[error("failed to read country file {path}; give the path of a readable .mmdb file")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is too large.
    #[error("country file {path} has more than {FILE_BYTES_MAX} bytes; use a country-level file")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("country file {path} is not in the MaxMind DB format; give a .mmdb file, unpacked")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: MaxMindDbError,
    },
    /// It is about something else.
    #[error(
        "country file {path} holds no countries; give one whose records have `country_code` or \
         `country.iso_code`, such as iptoasn-country or GeoLite2-Country"
    )]
    NoCountries {
        /// The file.
        path: PathBuf,
    },
}

/// What is read of a record, in the two shapes that are in use.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    country_code: Option<&'a str>,
    #[serde(borrow)]
    country: Option<Nested<'a>>,
}

#[derive(Deserialize)]
struct Nested<'a> {
    iso_code: Option<&'a str>,
}

impl Record<'_> {
    fn code(&self) -> Option<CountryCode> {
        let nested = || self.country.as_ref().and_then(|country| country.iso_code);
        self.country_code.or_else(nested).and_then(CountryCode::parse)
    }
}

/// Networks to countries.
pub struct Countries(Reader<Cow<'static, [u8]>>);

impl Countries {
    /// The file that came with the binary.
    ///
    /// # Errors
    /// Only if the embedded file is broken, which a test excludes.
    pub fn embedded() -> Result<Self, CountriesError> {
        Self::from_bytes(Cow::Borrowed(EMBEDDED), Path::new("(embedded)"))
    }

    /// A configured file, read into memory.
    ///
    /// # Errors
    /// [`CountriesError`], naming the file and what would be right.
    pub fn open(path: &Path) -> Result<Self, CountriesError> {
        let failed = |source| CountriesError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        let length = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if length as u64 > FILE_BYTES_MAX {
            return Err(CountriesError::TooLarge { path: path.to_owned() });
        }
        let countries = Self::from_bytes(Cow::Owned(bytes), path)?;
        if countries.holds_countries() {
            Ok(countries)
        } else {
            Err(CountriesError::NoCountries { path: path.to_owned() })
        }
    }

    /// The country of a network; [`CountryCode::UNKNOWN`] if the file does not know it.
    pub fn lookup(&self, network: Octets) -> CountryCode {
        #[expect(
            clippy::disallowed_types,
            reason = "the reader's argument; already cut by peer.rs"
        )]
        let key = match network {
            Octets::V4(octets) => std::net::IpAddr::from(octets),
            Octets::V6(octets) => std::net::IpAddr::from(octets),
        };
        let found = self.0.lookup(key).ok();
        let record = found.and_then(|found| found.decode::<Record<'_>>().ok().flatten());
        record.and_then(|record| record.code()).unwrap_or(CountryCode::UNKNOWN)
    }

    fn from_bytes(bytes: Cow<'static, [u8]>, path: &Path) -> Result<Self, CountriesError> {
        let format = |source| CountriesError::Format { path: path.to_owned(), source };
        Reader::from_source(bytes).map(Self).map_err(format)
    }

    fn holds_countries(&self) -> bool {
        let Ok(networks) = self.0.networks(WithinOptions::default()) else { return false };
        networks.take(RECORDS_TRIED_MAX).any(|entry| {
            let record = entry.ok().and_then(|found| found.decode::<Record<'_>>().ok().flatten());
            record.and_then(|record| record.code()).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn check(countries: &Countries, network: Octets, expect: &str) {
        assert_eq!(countries.lookup(network).as_str(), expect);
    }

    fn v6(head: [u8; 6]) -> Octets {
        let mut octets = [0; 16];
        octets[..6].copy_from_slice(&head);
        Octets::V6(octets)
    }

    #[test]
    fn embedded_file_knows_countries() {
        let countries = Countries::embedded().unwrap();
        check(&countries, Octets::V4([8, 8, 8, 0]), "US");
        check(&countries, Octets::V4([81, 230, 0, 0]), "SE");
        check(&countries, Octets::V4([133, 11, 0, 0]), "JP");
        check(&countries, v6([0x20, 0x01, 0x20, 0, 0, 0]), "SE");
        check(&countries, v6([0x20, 0x01, 0x48, 0x60, 0x48, 0x60]), "US");
    }

    #[test]
    fn unknown_networks_are_zz() {
        let countries = Countries::embedded().unwrap();
        for network in [[127, 0, 0, 0], [10, 0, 0, 0], [192, 168, 1, 0], [203, 0, 113, 0], [0; 4]] {
            check(&countries, Octets::V4(network), "ZZ");
        }
        check(&countries, v6([0; 6]), "ZZ");
        check(&countries, v6([0xfe, 0x80, 0, 0, 0, 0]), "ZZ");
    }

    #[test]
    fn only_two_capitals_are_a_code() {
        for bad in ["", "S", "SWE", "se", "S1", "é"] {
            assert_eq!(CountryCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn configured_file_is_used() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(EMBEDDED).unwrap();
        check(&Countries::open(file.path()).unwrap(), Octets::V4([81, 230, 0, 0]), "SE");
    }

    #[test]
    fn bad_file_is_named_with_what_would_be_right() {
        let missing = Countries::open(Path::new("/nowhere/c.mmdb")).err().unwrap().to_string();
        assert!(missing.contains("/nowhere/c.mmdb") && missing.contains(".mmdb file"), "{missing}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"1.0.0.0,1.0.0.255,AU\n").unwrap();
        let wrong = Countries::open(file.path()).err().unwrap();
        assert!(matches!(wrong, CountriesError::Format { .. }));
        assert!(wrong.to_string().contains("MaxMind DB format"), "{wrong}");
    }
}
