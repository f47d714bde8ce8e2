//! Markers: one for each channel, drawn anew for each audit.
//!
//! What it is not: secret, or ever part of a report.
//!
//! What surprises: letters and digits alternate, so that by the text policy every word is an
//! identifier, wherever it stands. A word of letters alone could be a page's honest name.

use crate::channel::{CHANNELS, Channel, Shape, index};
use crate::search::Search;

const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxz";
const DIGITS: &[u8] = b"23456789";
/// Where a word has letters (`l`) and digits (`d`).
const WORD: &[u8] = b"lldldlldldlldldl";

/// A marker's value.
#[derive(Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    V4([u8; 4]),
    V6([u8; 16]),
}

/// The markers of one audit.
pub struct Markers(Vec<Value>);

impl Markers {
    /// Draws all of them. `random` gives a random byte.
    ///
    /// # Errors
    /// Those of `random`.
    pub fn draw<E>(mut random: impl FnMut() -> Result<u8, E>) -> Result<Self, E> {
        let drawn = CHANNELS.iter().map(|channel| value(channel, &mut random));
        drawn.collect::<Result<_, _>>().map(Self)
    }

    /// Draws one anew.
    ///
    /// # Errors
    /// Those of `random`.
    pub fn redraw<E>(
        &mut self,
        at: usize,
        mut random: impl FnMut() -> Result<u8, E>,
    ) -> Result<(), E> {
        if let (Some(place), Some(channel)) = (self.0.get_mut(at), CHANNELS.get(at)) {
            *place = value(channel, &mut random)?;
        }
        Ok(())
    }

    /// The marker of a channel as it is written by people.
    ///
    /// # Panics
    /// If there is no channel of this name.
    pub fn text(&self, channel: &str) -> String {
        let at = index(channel).expect("channels are named in one table");
        match &self.0[at] {
            Value::Text(text) => text.clone(),
            Value::V4(octets) => dotted(*octets),
            Value::V6(octets) => grouped(octets),
        }
    }

    /// A search for all of them. Its names are those of the channels.
    pub fn search(&self) -> Search {
        let mut search = Search::new();
        for (channel, value) in CHANNELS.iter().zip(&self.0) {
            match value {
                Value::Text(text) => search.text(channel.name, text),
                Value::V4(octets) => search.v4(channel.name, *octets),
                Value::V6(octets) => search.v6(channel.name, *octets),
            }
        }
        search
    }
}

fn value<E>(channel: &Channel, random: &mut impl FnMut() -> Result<u8, E>) -> Result<Value, E> {
    let mut pick = |from: &[u8]| Ok(char::from(from[usize::from(random()?) % from.len()]));
    Ok(match channel.shape {
        Shape::Word => {
            let letter = |at: &u8| pick(if *at == b'l' { LETTERS } else { DIGITS });
            Value::Text(WORD.iter().map(letter).collect::<Result<_, _>>()?)
        }
        Shape::Digits => Value::Text((0..12).map(|_| pick(DIGITS)).collect::<Result<_, _>>()?),
        Shape::V4 => Value::V4([198, 51, 100, random()? % 253 + 2]),
        Shape::Peer => {
            Value::V4([127, random()? % 254 + 1, random()? % 254 + 1, random()? % 253 + 2])
        }
        Shape::V6 => {
            let mut octets = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            for octet in &mut octets[4..] {
                // No group is zero or begins with one, so there is one way to write it.
                *octet = random()? | 0x11;
            }
            Value::V6(octets)
        }
    })
}

/// An IPv4 address as it is written.
pub(crate) fn dotted([a, b, c, d]: [u8; 4]) -> String {
    format!("{a}.{b}.{c}.{d}")
}

/// An IPv6 address in groups without leading zeros.
pub(crate) fn grouped(octets: &[u8; 16]) -> String {
    let groups = octets.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    groups.map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use super::*;

    fn counter() -> impl FnMut() -> Result<u8, Infallible> {
        let mut state = 7_u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Ok(state.to_be_bytes()[0])
        }
    }

    #[test]
    fn each_channel_has_a_marker_of_its_own_and_the_search_knows_it() {
        let Ok(markers) = Markers::draw(counter());
        let texts: BTreeSet<_> =
            CHANNELS.iter().map(|channel| markers.text(channel.name)).collect();
        assert_eq!(texts.len(), CHANNELS.len());
        let search = markers.search();
        for channel in CHANNELS {
            let text = format!("before {} after", markers.text(channel.name));
            let found = search.within(text.as_bytes());
            assert!(found.keys().any(|hit| hit.name == channel.name), "{}", channel.name);
        }
        assert!(markers.text("address: IPv6 in headers").starts_with("2001:db8:"));
    }

    #[test]
    fn one_can_be_drawn_anew() {
        let Ok(mut markers) = Markers::draw(counter());
        let before = markers.text("Cookie");
        let Ok(()) = markers.redraw(index("Cookie").unwrap(), || Ok::<_, Infallible>(9));
        assert_ne!(markers.text("Cookie"), before);
    }
}
