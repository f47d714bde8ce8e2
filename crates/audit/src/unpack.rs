//! Packed bytes: where they begin, and what is in them.
//!
//! What it is not: strict. What looks packed and is not ends where it stops making sense.
//!
//! What surprises: Kafka and backups pack in frames that say where they begin; ClickHouse packs in
//! blocks that do not, but its files are such blocks from the first byte on.

use std::io::{self, BufReader, Read};

/// The longest mark of a beginning.
pub(crate) const MAGIC_BYTES_MAX: usize = 4;
/// Bytes that one block of ClickHouse may have, packed or not.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Checksum (16), method (1), packed size with this head (4), unpacked size (4).
const BLOCK_HEAD_BYTES: usize = 25;
/// Of these, what the packed size counts.
const BLOCK_COUNTED_BYTES: usize = 9;

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

/// Hands over what is in a file of ClickHouse's blocks, as far as it is one.
pub(crate) fn clickhouse_blocks(reader: impl Read, mut block: impl FnMut(&[u8])) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut head = [0; BLOCK_HEAD_BYTES];
    while reader.read_exact(&mut head).is_ok() {
        let size = |at: usize| {
            let four = head.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or([0; 4]);
            usize::try_from(u32::from_le_bytes(four)).unwrap_or(usize::MAX)
        };
        let (packed, unpacked) = (size(17), size(21));
        if !(BLOCK_COUNTED_BYTES..=BLOCK_BYTES_MAX).contains(&packed) || unpacked > BLOCK_BYTES_MAX
        {
            return Ok(());
        }
        let length = packed - BLOCK_COUNTED_BYTES;
        let mut bytes = Vec::new();
        if reader.by_ref().take(length as u64).read_to_end(&mut bytes)? < length {
            return Ok(());
        }
        let found = match head[16] {
            0x82 => lz4_flex::block::decompress(&bytes, unpacked).ok(),
            0x90 => zstd::bulk::decompress(&bytes, unpacked).ok(),
            0x02 => Some(bytes),
            _ => None,
        };
        match found {
            Some(found) => block(&found),
            None => return Ok(()),
        }
    }
    Ok(())
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
