//! The name of a request: the client's, where it sends a usable one, else our own.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header it arrives and leaves in.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LEN: usize = 128;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The id of a request: 1 to 128 letters, digits, `-`, `_` and `.`.
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// That of the request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(HEADER) {
            Some(sent) if sent.to_str().is_ok_and(is_usable) => Self(sent.clone()),
            _ => Self(random()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As it leaves.
    pub(crate) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// 128 random bits in hexadecimal digits.
fn random() -> HeaderValue {
    let mut bits = fastrand::u128(..);
    let digits = [(); 32].map(|()| {
        let digit = DIGITS[(bits & 0xf) as usize];
        bits >>= 4;
        digit
    });
    HeaderValue::from_bytes(&digits).expect("digits and letters are a header's value")
}

/// What can stand in a log line and a JSON text as it is.
fn is_usable(id: &str) -> bool {
    (1..=MAX_LEN).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::{HEADER, RequestId};

    fn of(value: &'static [u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_usable_id_is_kept_and_any_other_replaced() {
        assert_eq!(of(b"abc-1.2_3"), "abc-1.2_3");
        for bad in [&b"a b"[..], b"", b"a\"b", b"\xff", &[b'a'; 129]] {
            assert_eq!(of(Box::leak(bad.to_vec().into_boxed_slice())).len(), 32);
        }
    }
}
