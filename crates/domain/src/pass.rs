//! Passes: signed words that whoever holds one showed an operator's key, and may see the operator's page until a time.
//!
//! A browser can't send a key with everything it loads, and is not trusted to keep one: it gets a pass in a cookie. It names the key it
//! was given for, so that it ends with the key, and is signed (HMAC-SHA-256) under a key derived from the service's secret, so that nothing
//! else the service signs is ever taken for one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// What the secret is used for here.
const PURPOSE: &[u8] = b"prepnexus operator pass 1";
const SIGNED_LEN: usize = 16;

/// What a pass says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The number of the key it was given for.
    pub key: i64,
    /// It is good until then, to the second.
    pub until: Timestamp,
}

/// Signs passes and checks them.
#[derive(Clone)]
pub struct PassSigner {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for PassSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassSigner(***)")
    }
}

impl PassSigner {
    /// A signer with the secret that all processes of one service share; at least 32 bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let of = |key: &[u8]| -> Hmac<Sha256> {
            Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
        };
        let mut derived = of(secret);
        derived.update(PURPOSE);
        Self {
            mac: of(&derived.finalize().into_bytes()),
        }
    }

    /// The text of a pass: letters, digits, `-` and `_`.
    #[must_use]
    pub fn encode(&self, pass: Pass) -> String {
        let mut bytes = Vec::with_capacity(SIGNED_LEN + 32);
        bytes.extend(pass.key.to_be_bytes());
        bytes.extend(pass.until.as_second().to_be_bytes());
        let mut mac = self.mac.clone();
        mac.update(&bytes);
        bytes.extend(mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The pass that `text` is, if it is one of ours and good at `now`.
    #[must_use]
    pub fn decode(&self, text: &str, now: Timestamp) -> Option<Pass> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, signature) = bytes.split_at_checked(SIGNED_LEN)?;
        let mut mac = self.mac.clone();
        mac.update(signed);
        mac.verify_slice(signature).ok()?;
        let (key, until) = signed.split_first_chunk::<8>()?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        let pass = Pass {
            key: i64::from_be_bytes(*key),
            until: Timestamp::from_second(until).ok()?,
        };
        (now < pass.until).then_some(pass)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Pass, PassSigner};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const SECRET: [u8; 32] = [7; 32];

    #[test]
    fn a_pass_is_good_until_its_time() {
        let signer = PassSigner::new(&SECRET);
        let pass = Pass {
            key: 42,
            until: at(1_000),
        };
        let text = signer.encode(pass);
        assert_eq!(signer.decode(&text, at(999)), Some(pass));
        assert_eq!(signer.decode(&text, at(1_000)), None);
    }

    #[test]
    fn nothing_else_is_one() {
        let signer = PassSigner::new(&SECRET);
        let pass = Pass {
            key: 42,
            until: at(1_000),
        };
        let text = signer.encode(pass);
        assert_eq!(PassSigner::new(&[8; 32]).decode(&text, at(0)), None);
        for place in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'Q' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(signer.decode(&other, at(0)), None, "{other}");
        }
        for length in 0..text.len() {
            assert_eq!(signer.decode(&text[..length], at(0)), None, "{length}");
        }
    }
}
