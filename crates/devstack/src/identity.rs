//! A system identifier of its own for a copied cluster.
//!
//! PostgreSQL keeps the identifier in two places: in the first eight bytes of `global/pg_control`, which a CRC-32C covers, and
//! in the header of each write-ahead log segment. `pg_resetwal` would bring both into line, but it also records
//! `wal_level = minimal`, from which no standby can start, and costs more than the rest of a copy. Where the checksum is
//! depends on the version, so it is looked for: it is the four bytes that equal the checksum of all bytes before them.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{During, Error, Result};

/// In a segment's first page header: magic, flags, timeline, address, length of the rest, padding come before it.
const OFFSET_IN_SEGMENT: u64 = 24;
/// `pg_control` is padded to a page; its content has always been shorter than a disk sector.
const CONTENT_BYTES: usize = 512;

/// Gives the cluster in `data`, which has never been started, a random system identifier.
pub(crate) fn renew(data: &Path) -> Result<()> {
    let path = data.join("global/pg_control");
    let mut control = fs::read(&path).during(|| format!("read {}", path.display()))?;
    let old = identifier_in(&control);
    let new = random_like(old);
    if !replace(&mut control, new) {
        return Err(Error::Unusable(format!(
            "{} is not as expected",
            path.display()
        )));
    }
    let segments = data.join("pg_wal");
    let entries = fs::read_dir(&segments).during(|| format!("read {}", segments.display()))?;
    for segment in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
    {
        let changed = change_segment(&segment, old, new);
        changed.during(|| format!("change {}", segment.display()))?;
    }
    fs::write(&path, control).during(|| format!("change {}", path.display()))
}

fn change_segment(path: &Path, old: u64, new: u64) -> std::io::Result<()> {
    let segment = OpenOptions::new().read(true).write(true).open(path)?;
    let mut found = [0; 8];
    segment.read_exact_at(&mut found, OFFSET_IN_SEGMENT)?;
    if found == old.to_ne_bytes() {
        segment.write_all_at(&new.to_ne_bytes(), OFFSET_IN_SEGMENT)?;
    }
    Ok(())
}

/// Writes the identifier and the checksum; false when the content has none.
fn replace(control: &mut [u8], new: u64) -> bool {
    let ends = 8..CONTENT_BYTES.min(control.len().saturating_sub(4));
    let mut checksums =
        ends.filter(|end| control[*end..*end + 4] == crc32c(&control[..*end]).to_ne_bytes());
    let Some(end) = checksums.next() else {
        return false;
    };
    control[..8].copy_from_slice(&new.to_ne_bytes());
    let checksum = crc32c(&control[..end]).to_ne_bytes();
    control[end..end + 4].copy_from_slice(&checksum);
    true
}

fn identifier_in(control: &[u8]) -> u64 {
    control
        .first_chunk()
        .map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

/// The upper half is the time of initdb and stays.
fn random_like(old: u64) -> u64 {
    let random = RandomState::new().build_hasher().finish();
    (old & 0xffff_ffff_0000_0000) | (random & 0xffff_ffff)
}

/// The Castagnoli polynomial, reflected, bit by bit: the input is a few hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, appendix B.4, and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn only_content_with_a_checksum_is_changed() {
        let mut control: Vec<u8> = (0..200).collect();
        assert!(!replace(&mut control.clone(), 7));
        let checksum = crc32c(&control[..100]).to_ne_bytes();
        control[100..104].copy_from_slice(&checksum);
        assert!(replace(&mut control, 7));
        assert_eq!(identifier_in(&control), 7);
        assert_eq!(control[100..104], crc32c(&control[..100]).to_ne_bytes());
        assert_eq!(control[104..], (104..200).collect::<Vec<u8>>());
    }
}
