//! What the environment asks for: a campaign is a test with another number.
//!
//! What it is not: a setting of the product.
//!
//! What surprises: a number that is none fails the test, or a campaign would be the default.

use std::fmt::Debug;
use std::str::FromStr;

/// The number that the environment asks for by this name, else the default.
pub(crate) fn asked<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    let text = std::env::var_os(name);
    text.map_or(default, |text| text.to_str().unwrap().parse().unwrap())
}
