//! Bodies as they are sent. Each encoding is made once: of a short body when the first reader asks for it, so that what nobody asks for
//! costs nothing (a third of the processor time of reads that are not kept went into it); of a long one when its entry is filled, away from
//! the threads that serve.

use std::{borrow::Cow, io::Write as _};

use flate2::{Compression, write::GzEncoder};

/// A content coding of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Plain.
    Identity,
    /// RFC 1952: what everybody understands.
    Gzip,
    /// RFC 8878: smaller, and the quickest to make and to read.
    Zstd,
}

impl Encoding {
    /// As in `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Identity => 0,
            Self::Gzip => 1,
            Self::Zstd => 2,
        }
    }

    pub(crate) const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Identity),
            1 => Some(Self::Gzip),
            2 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Shorter ones fit into one packet as they are.
const SHORT: usize = 1_000;
/// Longer ones take a millisecond and more to encode.
pub(crate) const LONG: usize = 16 * 1024;
/// As `gzip -6` and `zstd -3`: beyond, time rises and size hardly falls.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// Whether encodings of the body are made when they are asked for.
pub(crate) fn is_encoded_later(body: usize) -> bool {
    (SHORT..=LONG).contains(&body)
}

/// The body in every encoding that is made at once, plain first.
pub(crate) fn encode_now(body: &[u8]) -> Vec<(Encoding, Cow<'_, [u8]>)> {
    let mut bodies = vec![(Encoding::Identity, Cow::Borrowed(body))];
    if body.len() > LONG {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let encoded = encode(encoding, body);
            bodies.extend(encoded.map(|encoded| (encoding, encoded.into())));
        }
    }
    bodies
}

/// The body in that encoding, if that saves a tenth at least.
pub(crate) fn encode(encoding: Encoding, body: &[u8]) -> Option<Vec<u8>> {
    let encoded = match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => gzip(body),
        Encoding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL).ok(),
    };
    encoded.filter(|encoded| encoded.len() < body.len() / 10 * 9)
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{Encoding, LONG, encode, encode_now, is_encoded_later};

    #[test]
    fn each_encoding_decodes_to_the_body() {
        let body = b"A hash map finds by key in constant time. ".repeat(50);
        let gzip = encode(Encoding::Gzip, &body).unwrap();
        let zstd = encode(Encoding::Zstd, &body).unwrap();
        let mut back = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&gzip[..]);
        decoder.read_to_end(&mut back).unwrap();
        assert_eq!(back, body);
        assert_eq!(zstd::bulk::decompress(&zstd, body.len()).unwrap(), body);
    }

    #[test]
    fn what_does_not_shrink_is_sent_as_it_is() {
        let mut chance = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| chance.u8(..))
            .take(4_000)
            .collect();
        assert_eq!(encode(Encoding::Gzip, &noise), None);
        assert_eq!(encode(Encoding::Zstd, &noise), None);
    }

    #[test]
    fn a_long_body_is_encoded_at_once_and_a_short_one_when_it_is_asked_for() {
        let encodings = |length: usize| -> Vec<Encoding> {
            let body = vec![b'a'; length];
            let bodies = encode_now(&body).into_iter();
            bodies.map(|(encoding, _)| encoding).collect()
        };
        assert_eq!(encodings(LONG), [Encoding::Identity]);
        assert!(is_encoded_later(LONG));
        let all = [Encoding::Identity, Encoding::Gzip, Encoding::Zstd];
        assert_eq!(encodings(LONG + 1), all);
        assert!(!is_encoded_later(LONG + 1));
        assert!(!is_encoded_later(100), "one packet as it is");
    }
}
