//! Bodies as they are sent. Made once, when an entry is filled: then a reader costs nothing.

use std::io::Write as _;

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
/// As `gzip -6` and `zstd -3`: beyond, time rises and size hardly falls.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// The body in every encoding that saves a tenth at least, plain first.
pub(crate) fn encode(body: &[u8]) -> Vec<(Encoding, Vec<u8>)> {
    let mut bodies = vec![(Encoding::Identity, body.to_vec())];
    if body.len() < SHORT {
        return bodies;
    }
    let encoded = [
        (Encoding::Gzip, gzip(body)),
        (Encoding::Zstd, zstd::bulk::compress(body, ZSTD_LEVEL).ok()),
    ];
    for (encoding, encoded) in encoded {
        if let Some(encoded) = encoded.filter(|encoded| encoded.len() < body.len() / 10 * 9) {
            bodies.push((encoding, encoded));
        }
    }
    bodies
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{Encoding, encode};

    #[test]
    fn each_encoding_decodes_to_the_body() {
        let body = b"A hash map finds by key in constant time. ".repeat(50);
        let bodies = encode(&body);
        let encodings: Vec<Encoding> = bodies.iter().map(|(encoding, _)| *encoding).collect();
        assert_eq!(
            encodings,
            [Encoding::Identity, Encoding::Gzip, Encoding::Zstd]
        );
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&bodies[1].1[..])
            .read_to_end(&mut plain)
            .unwrap();
        assert_eq!(plain, body);
        assert_eq!(
            zstd::bulk::decompress(&bodies[2].1, body.len()).unwrap(),
            body
        );
    }

    #[test]
    fn what_does_not_shrink_is_sent_as_it_is() {
        assert_eq!(encode(b"short").len(), 1);
        let mut chance = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| chance.u8(..))
            .take(4_000)
            .collect();
        assert_eq!(encode(&noise).len(), 1);
    }
}
