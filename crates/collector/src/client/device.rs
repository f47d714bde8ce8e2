//! The form factor, from the few words that browsers agree on.
//!
//! What it is not: a model. Phones are not told from each other, on purpose.
//!
//! What surprises: Android says `Mobile` for a phone and nothing for a tablet, and televisions run
//! Android too, so the order of the questions matters.

use super::families::Device;

/// Televisions, consoles, headsets and cars.
const ELSEWHERE: [&str; 15] = [
    "TV",
    "BRAVIA",
    "CrKey",
    "Web0S",
    "NetCast",
    "Roku",
    "PlayStation",
    "PLAYSTATION",
    "Nintendo",
    "Xbox",
    "OculusBrowser",
    "Tesla/",
    "QtCarBrowser",
    "AFTS",
    "Watch",
];
const TABLETS: [&str; 4] = ["iPad", "Tablet;", "PlayBook", "Kindle"];
const PHONES: [&str; 9] = [
    "iPhone",
    "iPod",
    "Mobile",
    "Opera Mini",
    "Opera Mobi",
    "Windows Phone",
    "BlackBerry",
    "KAIOS",
    "UCWEB",
];
const DESKTOPS: [&str; 5] = ["Windows", "Macintosh", "X11", "CrOS", "Linux"];

/// The device class of an agent string.
pub(super) fn classify(agent: &str) -> Device {
    let says = |words: &[&str]| words.iter().any(|word| agent.contains(word));
    if says(&ELSEWHERE) {
        Device::Other
    } else if says(&TABLETS) {
        Device::Tablet
    } else if says(&PHONES) {
        Device::Mobile
    } else if says(&["Android", "Silk"]) {
        Device::Tablet
    } else if says(&DESKTOPS) {
        Device::Desktop
    } else {
        Device::Other
    }
}
