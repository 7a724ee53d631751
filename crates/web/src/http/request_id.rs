//! The name of a request: the client's, where it sends a usable one, else our own.

use actix_web::http::header::HeaderMap;

/// The header it arrives and leaves in.
pub(crate) const HEADER: &str = "x-request-id";
const MAX_LEN: usize = 128;

/// The id of the request with these headers.
pub(crate) fn of(headers: &HeaderMap) -> String {
    let sent = headers.get(HEADER).and_then(|value| value.to_str().ok());
    match sent {
        Some(id) if is_usable(id) => id.to_owned(),
        _ => format!("{:032x}", fastrand::u128(..)),
    }
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
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    fn of(value: &'static [u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(super::HEADER),
            HeaderValue::from_bytes(value).unwrap(),
        );
        super::of(&headers)
    }

    #[test]
    fn a_usable_id_is_kept_and_any_other_replaced() {
        assert_eq!(of(b"abc-1.2_3"), "abc-1.2_3");
        for bad in [&b"a b"[..], b"", b"a\"b", b"\xff", &[b'a'; 129]] {
            assert_eq!(of(Box::leak(bad.to_vec().into_boxed_slice())).len(), 32);
        }
    }
}
