//! Packed bytes: where they begin, and what is in them.
//!
//! What it is not: strict. What looks packed and is not ends where it stops making sense.
//!
//! What surprises: Kafka and backups pack in frames that say where they begin; ClickHouse packs in
//! blocks that do not, but its files are such blocks from the first byte on.

use std::io::{self, BufReader, Read};
use std::ops::RangeInclusive;

/// The longest mark of a beginning.
pub(crate) const MAGIC_BYTES_MAX: usize = 10;
/// Bytes that a file may have which is packed, and has nothing in it: a head with a short name.
pub(crate) const EMPTY_BYTES_MAX: u64 = 32;
/// Bytes that a part must unpack to, to be taken for one.
const PROOF_BYTES: usize = 64;
/// Bytes that one block of ClickHouse may have, packed or not.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Checksum (16), method (1), packed size with this head (4), unpacked size (4).
const BLOCK_HEAD_BYTES: usize = 25;
/// Of these, what the packed size counts.
const BLOCK_COUNTED_BYTES: usize = 9;
/// Method of a block that several codecs have packed (ClickHouse, `CompressionInfo.h`).
const CODECS: u8 = 0x91;
/// Codecs of numbers: Delta, T64, DoubleDelta, Gorilla, FPC, GCD.
const NUMBERS: [u8; 6] = [0x92, 0x93, 0x94, 0x95, 0x98, 0x9a];
/// Other methods of blocks, and those that encrypt.
const OTHERS: RangeInclusive<u8> = 0x91..=0x9f;

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gzip,
    Zstd,
    Lz4,
}

const MAGIC: [(&[u8], Kind); 3] = [
    (&[0x1f, 0x8b, 0x08], Kind::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd),
    (&[0x04, 0x22, 0x4d, 0x18], Kind::Lz4),
];

/// How packed parts begin that are not unpacked here: xz, bzip2, 7z.
const FOREIGN: [&[u8]; 3] = [b"\xfd7zXZ\0", b"1AY&SY", b"7z\xbc\xaf\x27\x1c"];
/// How a file within a zip begins.
const ZIP: &[u8] = b"PK\x03\x04";
/// Methods of zip that pack.
const ZIP_METHODS: [u8; 7] = [8, 9, 12, 14, 93, 95, 98];

/// Says where packed parts begin among the first `until` bytes.
pub(crate) fn begins(bytes: &[u8], until: usize, mut found: impl FnMut(usize, Kind)) {
    for (at, byte) in bytes.iter().enumerate().take(until) {
        if matches!(byte, 0x1f | 0x28 | 0x04) {
            for (magic, kind) in MAGIC {
                if bytes[at..].starts_with(magic) {
                    found(at, kind);
                }
            }
        }
    }
}

/// How many parts begin among the first `until` bytes that nobody here can unpack.
pub(crate) fn foreign(bytes: &[u8], until: usize) -> u64 {
    let mut found = 0;
    for (at, byte) in bytes.iter().enumerate().take(until) {
        let rest = || bytes.get(at..).unwrap_or_default();
        found += u64::from(match byte {
            0xfd | b'1' | b'7' => FOREIGN.iter().any(|magic| rest().starts_with(magic)),
            b'P' => is_zip(rest()),
            _ => false,
        });
    }
    found
}

/// Whether a file in a zip begins here that is packed. What a zip only holds is searched as it is.
fn is_zip(bytes: &[u8]) -> bool {
    let at = |place: usize| bytes.get(place).copied().unwrap_or(u8::MAX);
    bytes.starts_with(ZIP) && at(4) < 64 && at(5) == 0 && at(9) == 0 && ZIP_METHODS.contains(&at(8))
}

/// Whether what begins here as a packed part does is one: a few bytes of it can be unpacked.
pub(crate) fn is_packed(bytes: &[u8], kind: Kind) -> bool {
    let Ok(opened) = open(bytes, kind) else { return false };
    let mut proof = Vec::new();
    // Too few without an error: it is a small one.
    let read = opened.take(PROOF_BYTES as u64).read_to_end(&mut proof);
    proof.len() == PROOF_BYTES || (read.is_ok() && !proof.is_empty())
}

/// A reader of what is packed.
pub(crate) fn open<'r>(reader: impl Read + 'r, kind: Kind) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match kind {
        Kind::Gzip => Box::new(flate2::read::GzDecoder::new(reader)),
        Kind::Zstd => Box::new(
            zstd::stream::read::Decoder::with_buffer(BufReader::new(reader))?.single_frame(),
        ),
        Kind::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(reader)),
    })
}

/// Hands over what is in a file of ClickHouse's blocks, as far as it is one. How many parts there are
/// that could not be unpacked. Of codecs of numbers what they packed is handed over as they left it: no
/// text is in such a column, and the tables are asked for their numbers.
///
/// # Errors
/// Those of the reader.
pub(crate) fn clickhouse_blocks(
    reader: impl Read,
    mut block: impl FnMut(&[u8]),
) -> io::Result<u64> {
    let mut reader = BufReader::new(reader);
    let (mut known, mut unknown) = (0_u64, 0);
    loop {
        let mut head = Vec::new();
        reader.by_ref().take(BLOCK_HEAD_BYTES as u64).read_to_end(&mut head)?;
        if head.is_empty() {
            return Ok(unknown);
        }
        // Without a block before it, it is no such file.
        let none = unknown + u64::from(known > 0);
        let of_block = head.get(BLOCK_HEAD_BYTES - BLOCK_COUNTED_BYTES..).and_then(sizes);
        let Some((method, packed, unpacked)) = of_block else { return Ok(none) };
        let length = packed - BLOCK_COUNTED_BYTES;
        let mut bytes = Vec::new();
        if reader.by_ref().take(length as u64).read_to_end(&mut bytes)? < length {
            return Ok(none);
        }
        let found = match method {
            CODECS => unpack_codecs(&bytes),
            _ => unpack(method, bytes, unpacked),
        };
        match found {
            Some(found) => block(&found),
            None if OTHERS.contains(&method) => unknown += 1,
            None => return Ok(none),
        }
        known += 1;
    }
}

/// What one method has packed.
fn unpack(method: u8, bytes: Vec<u8>, unpacked: usize) -> Option<Vec<u8>> {
    match method {
        0x82 => lz4_flex::block::decompress(&bytes, unpacked).ok(),
        0x90 => zstd::bulk::decompress(&bytes, unpacked).ok(),
        0x02 => Some(bytes),
        _ => NUMBERS.contains(&method).then_some(bytes),
    }
}

/// What several codecs have packed, one after the other, as far as they left texts as they are. In
/// front stands which; each has put a head before what it made.
fn unpack_codecs(bytes: &[u8]) -> Option<Vec<u8>> {
    let (count, rest) = bytes.split_first()?;
    let (codecs, rest) = rest.split_at_checked(usize::from(*count))?;
    let mut bytes = rest.to_vec();
    for codec in codecs.iter().rev() {
        let (method, packed, unpacked) = sizes(&bytes)?;
        let body = bytes.get(BLOCK_COUNTED_BYTES..packed).filter(|_| method == *codec)?;
        bytes = unpack(method, body.to_vec(), unpacked)?;
        if NUMBERS.contains(codec) {
            break;
        }
    }
    Some(bytes)
}

/// Method, packed and unpacked size of a head, if it can be one.
fn sizes(head: &[u8]) -> Option<(u8, usize, usize)> {
    let size = |at: usize| {
        let four = head.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    };
    let (packed, unpacked) = (size(1)?, size(5)?);
    let is_block =
        (BLOCK_COUNTED_BYTES..=BLOCK_BYTES_MAX).contains(&packed) && unpacked <= BLOCK_BYTES_MAX;
    Some((*head.first()?, packed, unpacked)).filter(|_| is_block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_block(method: u8, packed: &[u8], unpacked: usize) -> Vec<u8> {
        let mut block = vec![0xaa; 16];
        block.push(method);
        let sizes = [packed.len() + BLOCK_COUNTED_BYTES, unpacked];
        sizes.iter().for_each(|size| block.extend(u32::try_from(*size).unwrap().to_le_bytes()));
        [block, packed.to_vec()].concat()
    }

    #[test]
    fn blocks_of_clickhouse_are_read_one_after_another() {
        let text = b"a page, a page, a page, a page".as_slice();
        let file = [
            as_block(0x82, &lz4_flex::block::compress(text), text.len()),
            as_block(0x90, &zstd::bulk::compress(text, 1).unwrap(), text.len()),
            as_block(0x02, text, text.len()),
            vec![1, 2, 3],
        ]
        .concat();
        let mut found = Vec::new();
        clickhouse_blocks(&*file, |block| found.push(block.to_vec())).unwrap();
        assert_eq!(found, [text, text, text]);
    }

    /// Numbers in two layers, as most columns have them, and an encrypted block end no search.
    #[test]
    fn behind_blocks_of_numbers_and_unknown_ones_the_search_goes_on() {
        let (text, numbers) = (b"a page, a page, a page".as_slice(), [7; 40]);
        let delta = as_block(0x92, &numbers, 38)[16..].to_vec();
        let packed = zstd::bulk::compress(&delta, 1).unwrap();
        let layers = [&[2, 0x92, 0x90][..], &as_block(0x90, &packed, delta.len())[16..]].concat();
        let file = [
            as_block(0x91, &layers, 38),
            as_block(0x96, b"who knows", 40),
            as_block(0x02, text, text.len()),
        ]
        .concat();
        let mut found = Vec::new();
        let unknown = clickhouse_blocks(&*file, |block| found.push(block.to_vec())).unwrap();
        assert_eq!((unknown, found), (1, vec![numbers.to_vec(), text.to_vec()]));
    }

    #[test]
    fn a_false_beginning_is_no_error() {
        let mut found = Vec::new();
        begins(&[0x1f, 0x8b, 0x08, 0x28, 0xb5, 0x2f, 0xfd], 7, |at, kind| found.push((at, kind)));
        assert_eq!(found, [(0, Kind::Gzip), (3, Kind::Zstd)]);
        let mut text = Vec::new();
        let opened = open(&[0x1f, 0x8b, 0x08, 1][..], Kind::Gzip);
        assert!(opened.and_then(|mut reader| reader.read_to_end(&mut text)).is_err());
    }
}
