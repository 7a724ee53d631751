//! Cursors: signed, opaque positions in a list.
//!
//! A cursor holds the sort key and number of the post it stands at, so that a page costs the same
//! wherever it is (keyset pagination). It is bound to the list it was made for, and signed
//! (HMAC-SHA-256, cut to 128 bits as RFC 2104, section 5 allows), so that no position is ever
//! taken from a stranger's hand.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::page::{Direction, ListQuery, SortOrder};

const SIGNATURE_LEN: usize = 16;
const VERSION: u8 = 1;

/// The value a list is sorted by, at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorKey {
    /// For the orders by time.
    Time(Timestamp),
    /// For the order by views.
    Count(i64),
    /// For the order by title: the lower-case title.
    Text(String),
}

/// A position in a list: just after, or just before, one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Which way the page lies.
    pub direction: Direction,
    /// The sort key of the post it stands at.
    pub key: CursorKey,
    /// The number of that post.
    pub id: i64,
}

/// A text that is no cursor of this service, or one of another list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    /// Damaged, invented, or signed by another service.
    #[error("is not a cursor that this service gave out")]
    NotOurs,
    /// Good, but given out for another order or other filters.
    #[error("belongs to a list with another sort, tag, author or q")]
    OtherList,
}

/// Signs cursors and checks them.
#[derive(Clone)]
pub struct CursorSigner {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for CursorSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorSigner(***)")
    }
}

impl CursorSigner {
    /// A signer with the secret that all processes of one service share; at least 32 bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { mac }
    }

    /// The text for `cursor` in the list that `query` asks for.
    #[must_use]
    pub fn encode(&self, cursor: &Cursor, query: &ListQuery) -> String {
        let mut bytes = Vec::with_capacity(48);
        bytes.push(VERSION);
        bytes.push(match cursor.direction {
            Direction::Forward => 0,
            Direction::Backward => 1,
        });
        bytes.extend(cursor.id.to_be_bytes());
        match &cursor.key {
            CursorKey::Time(time) => {
                bytes.push(b't');
                bytes.extend(time.as_microsecond().to_be_bytes());
            }
            CursorKey::Count(count) => {
                bytes.push(b'c');
                bytes.extend(count.to_be_bytes());
            }
            CursorKey::Text(text) => {
                bytes.push(b's');
                bytes.extend(text.as_bytes());
            }
        }
        // The list is bound by a digest of its own, which tells "tampered" from "another list".
        bytes.extend(&self.sign(&list_of(query))[..4]);
        let signature = self.sign(&bytes);
        bytes.extend(&signature[..SIGNATURE_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor that `text` stands for in the list that `query` asks for.
    ///
    /// # Errors
    /// [`InvalidCursor`]; nothing of the text is used before its signature was checked.
    pub fn decode(&self, text: &str, query: &ListQuery) -> Result<Cursor, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| InvalidCursor::NotOurs)?;
        let at = bytes
            .len()
            .checked_sub(SIGNATURE_LEN)
            .ok_or(InvalidCursor::NotOurs)?;
        let (signed, signature) = bytes.split_at(at);
        let mut mac = self.mac.clone();
        mac.update(signed);
        mac.verify_truncated_left(signature)
            .map_err(|_| InvalidCursor::NotOurs)?;
        let at = signed.len().checked_sub(4).ok_or(InvalidCursor::NotOurs)?;
        let (position, list) = signed.split_at(at);
        if list != &self.sign(&list_of(query))[..4] {
            return Err(InvalidCursor::OtherList);
        }
        let cursor = parse(position).ok_or(InvalidCursor::NotOurs)?;
        let fits = matches!(
            (&cursor.key, query.sort),
            (CursorKey::Time(_), SortOrder::Newest | SortOrder::Oldest)
                | (CursorKey::Count(_), SortOrder::MostViewed)
                | (CursorKey::Text(_), SortOrder::Title)
        );
        if fits {
            Ok(cursor)
        } else {
            Err(InvalidCursor::OtherList)
        }
    }

    fn sign(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

/// What makes a list this list: its order and filters, each ended by a byte no text contains.
fn list_of(query: &ListQuery) -> Vec<u8> {
    let filters = [&query.tag, &query.author, &query.text];
    let mut bytes = query.sort.as_str().as_bytes().to_vec();
    for filter in filters {
        bytes.push(u8::from(filter.is_some()));
        bytes.extend(filter.as_deref().unwrap_or_default().as_bytes());
        bytes.push(0xff);
    }
    bytes
}

fn parse(bytes: &[u8]) -> Option<Cursor> {
    let ([VERSION, direction], rest) = bytes.split_first_chunk::<2>()? else {
        return None;
    };
    let (id, rest) = rest.split_first_chunk::<8>()?;
    let (kind, key) = rest.split_first()?;
    let number = || Some(i64::from_be_bytes(key.try_into().ok()?));
    Some(Cursor {
        direction: match direction {
            0 => Direction::Forward,
            1 => Direction::Backward,
            _ => return None,
        },
        id: i64::from_be_bytes(*id),
        key: match kind {
            b't' => CursorKey::Time(Timestamp::from_microsecond(number()?).ok()?),
            b'c' => CursorKey::Count(number()?),
            b's' => CursorKey::Text(String::from_utf8(key.to_vec()).ok()?),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Cursor, CursorKey, CursorSigner, InvalidCursor};
    use crate::page::{Direction, ListQuery, SortOrder};

    fn query(sort: SortOrder) -> ListQuery {
        ListQuery {
            sort,
            ..ListQuery::default()
        }
    }

    fn at(key: CursorKey) -> Cursor {
        Cursor {
            direction: Direction::Forward,
            key,
            id: 17,
        }
    }

    #[test]
    fn every_kind_of_key_comes_back() {
        let signer = CursorSigner::new(&[7; 32]);
        for (sort, key) in [
            (
                SortOrder::Newest,
                CursorKey::Time(Timestamp::constant(1_800_000_000, 123_000)),
            ),
            (SortOrder::MostViewed, CursorKey::Count(i64::MAX)),
            (SortOrder::Title, CursorKey::Text("größe".into())),
        ] {
            let cursor = at(key);
            let text = signer.encode(&cursor, &query(sort));
            assert_eq!(signer.decode(&text, &query(sort)), Ok(cursor));
        }
    }

    #[test]
    fn a_cursor_belongs_to_one_list_and_one_service() {
        let (ours, theirs) = (CursorSigner::new(&[7; 32]), CursorSigner::new(&[8; 32]));
        let list = query(SortOrder::MostViewed);
        let text = ours.encode(&at(CursorKey::Count(3)), &list);
        let tagged = ListQuery {
            tag: Some("sql".into()),
            ..list.clone()
        };
        assert_eq!(ours.decode(&text, &tagged), Err(InvalidCursor::OtherList));
        assert_eq!(
            ours.decode(&text, &query(SortOrder::Newest)),
            Err(InvalidCursor::OtherList)
        );
        assert_eq!(theirs.decode(&text, &list), Err(InvalidCursor::NotOurs));
    }

    proptest! {
        #[test]
        fn any_other_text_is_refused(text in "[A-Za-z0-9_=-]{0,80}") {
            let signer = CursorSigner::new(&[7; 32]);
            prop_assert!(signer.decode(&text, &query(SortOrder::Newest)).is_err());
        }

        #[test]
        fn one_changed_byte_is_refused(position in 0usize..40, change in 1u8..=255) {
            use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
            let signer = CursorSigner::new(&[7; 32]);
            let list = query(SortOrder::MostViewed);
            let text = signer.encode(&at(CursorKey::Count(3)), &list);
            let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            let position = position % bytes.len();
            bytes[position] ^= change;
            let text = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(signer.decode(&text, &list), Err(InvalidCursor::NotOurs));
        }
    }
}
