//! Positions in the write-ahead log, and the names of its segments.
//!
//! A segment's file is named by its timeline and its number, in hexadecimal: eight digits, then sixteen of which the first
//! eight count 4 GiB and the last eight count segments within (`XLogFileName` in PostgreSQL's `xlog_internal.h`).

use std::{fmt, str::FromStr};

/// A position: bytes since the cluster was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |text: &str| {
            let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        let halves = text
            .split_once('/')
            .and_then(|(high, low)| Some((half(high)?, half(low)?)));
        let (high, low) = halves.ok_or("expected a position in the log such as 0/3000060")?;
        Ok(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

/// One segment of one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) timeline: u32,
    pub(crate) number: u64,
}

impl Segment {
    /// The segment that a file is named for; what comes after the name is ignored.
    pub(crate) fn parse(name: &str, segment_bytes: u64) -> Option<Self> {
        let name = name.get(..24)?;
        let is_upper_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if !name.bytes().all(is_upper_hex) {
            return None;
        }
        let part = |from: usize| u32::from_str_radix(&name[from..from + 8], 16).ok();
        let per_id = (1_u64 << 32) / segment_bytes;
        Some(Self {
            timeline: part(0)?,
            number: u64::from(part(8)?) * per_id + u64::from(part(16)?),
        })
    }

    pub(crate) fn name(self, segment_bytes: u64) -> String {
        let per_id = (1_u64 << 32) / segment_bytes;
        let (id, within) = (self.number / per_id, self.number % per_id);
        format!("{:08X}{id:08X}{within:08X}", self.timeline)
    }

    /// Where it ends.
    pub(crate) fn end(self, segment_bytes: u64) -> Lsn {
        Lsn((self.number + 1) * segment_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lsn, Segment};

    const MIB_16: u64 = 16 << 20;

    #[test]
    fn positions_are_read_as_they_are_written() {
        for text in ["0/0", "0/3000060", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(text.parse::<Lsn>().unwrap().to_string(), text);
        }
        for text in ["", "0", "/", "0/", "x/1", "0/+1", "100000000/0", "0/0/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }

    #[test]
    fn segments_are_named_as_postgresql_names_them() {
        // pg_walfile_name('16/B374D848') on timeline 1.
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        let segment = Segment {
            timeline: 1,
            number: lsn.0 / MIB_16,
        };
        assert_eq!(segment.name(MIB_16), "0000000100000016000000B3");
        let file = "0000000100000016000000B3-62f4054fb696.zst";
        assert_eq!(Segment::parse(file, MIB_16), Some(segment));
        assert_eq!(segment.end(MIB_16).to_string(), "16/B4000000");
        // The last of one id, with segments of another size.
        let last = Segment::parse("0000000A000000010000000F", 256 << 20).unwrap();
        assert_eq!(last.end(256 << 20).to_string(), "2/0");
        for name in [
            "archive.info",
            "00000002.history",
            "15-1/0000000100000000",
            "é",
        ] {
            assert_eq!(Segment::parse(name, MIB_16), None, "{name}");
        }
    }
}
