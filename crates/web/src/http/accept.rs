//! `Accept-Encoding` (RFC 9110, section 12.5.3), among the encodings that an answer is kept in.

use actix_web::{HttpRequest, http::header};
use bytes::Bytes;
use prepnexus_content::{Answer, Encoding};

/// The smallest first, and so the first of those that a client likes equally.
pub(crate) const BY_SIZE: [Encoding; 3] = [Encoding::Zstd, Encoding::Gzip, Encoding::Identity];

/// The body in the encoding the client likes best.
pub(crate) fn choose(request: &HttpRequest, answer: &Answer) -> (Encoding, Bytes) {
    let plain = || answer.body(Encoding::Identity).unwrap_or_default();
    let mut headers = request.headers().get_all(header::ACCEPT_ENCODING);
    let Some(accepted) = headers.next().and_then(|value| value.to_str().ok()) else {
        return (Encoding::Identity, plain());
    };
    let mut chosen = None;
    for encoding in BY_SIZE {
        let quality = quality(accepted, encoding);
        let best = chosen.as_ref().map_or(0, |(best, _)| *best);
        if quality > best
            && let Some(body) = answer.body(encoding)
        {
            chosen = Some((quality, (encoding, body)));
        }
    }
    // Who accepts nothing that there is gets what everybody can read.
    chosen.map_or_else(|| (Encoding::Identity, plain()), |(_, chosen)| chosen)
}

/// How much the client likes it, in thousandths.
fn quality(accepted: &str, encoding: Encoding) -> u16 {
    let mut of_any = None;
    for item in accepted.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1_000, thousandths);
        if name.eq_ignore_ascii_case(encoding.as_str())
            || (encoding == Encoding::Gzip && name.eq_ignore_ascii_case("x-gzip"))
        {
            return quality;
        }
        if name == "*" {
            of_any = Some(quality);
        }
    }
    // Plain is accepted where nothing is said against it, and liked least.
    of_any.unwrap_or(u16::from(encoding == Encoding::Identity))
}

/// What can't be read is not wanted.
fn thousandths(text: &str) -> u16 {
    let quality = text.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0) * 1_000.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 1000"
    )]
    let rounded = quality.round() as u16;
    rounded
}

#[cfg(test)]
mod tests {
    use prepnexus_content::Encoding::{Gzip, Identity, Zstd};

    use super::quality;

    #[test]
    fn qualities_are_read_as_the_standard_says() {
        for (accepted, zstd, gzip, identity) in [
            ("", 0, 0, 1),
            ("gzip", 0, 1_000, 1),
            ("gzip, zstd", 1_000, 1_000, 1),
            ("GZIP;q=0.5 , zstd ; q=0.25", 250, 500, 1),
            ("gzip;q=0, *", 1_000, 0, 1_000),
            ("*;q=0", 0, 0, 0),
            ("identity;q=0, x-gzip", 0, 1_000, 0),
            ("br, deflate", 0, 0, 1),
            ("gzip;q=x", 0, 0, 1),
            ("gzip;q=7", 0, 1_000, 1),
        ] {
            let qualities = [Zstd, Gzip, Identity].map(|encoding| quality(accepted, encoding));
            assert_eq!(qualities, [zstd, gzip, identity], "{accepted}");
        }
    }
}
