//! The canonical hash of a row: what it says, in the terms of the new schema. Made once from the row as it was read in the old
//! file, and once from what the new schema gives back.
//!
//! SHA-256 over the fields in a fixed order. A text is preceded by its length, and what may be missing by whether it is there,
//! so that no two rows run together to the same bytes.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// A SHA-256.
pub(super) type RowHash = [u8; 32];

/// What a post says. Not its author's picture, which is the author's, and nothing that is derived from the rest.
pub(super) struct PostRow<'a> {
    pub(super) id: i64,
    pub(super) slug: &'a str,
    pub(super) title: &'a str,
    pub(super) author: &'a str,
    pub(super) content: &'a str,
    pub(super) content_format: &'a str,
    pub(super) tags: &'a [String],
    pub(super) status: &'a str,
    pub(super) view_count: i64,
    pub(super) image_url: Option<&'a str>,
    pub(super) meta_description: Option<&'a str>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) published_at: Option<Timestamp>,
}

impl PostRow<'_> {
    pub(super) fn hash(&self) -> RowHash {
        let mut hasher = Hasher::default();
        hasher.number(self.id);
        for text in [
            self.slug,
            self.title,
            self.author,
            self.content,
            self.content_format,
            self.status,
        ] {
            hasher.text(text);
        }
        hasher.number(i64::try_from(self.tags.len()).unwrap_or(i64::MAX));
        for tag in self.tags {
            hasher.text(tag);
        }
        hasher.number(self.view_count);
        hasher.option(self.image_url, Hasher::text);
        hasher.option(self.meta_description, Hasher::text);
        hasher.number(self.created_at.as_microsecond());
        hasher.number(self.updated_at.as_microsecond());
        let published_at = self.published_at.map(Timestamp::as_microsecond);
        hasher.option(published_at, Hasher::number);
        hasher.finish()
    }
}

/// What an account says.
pub(super) struct UserRow<'a> {
    pub(super) email: &'a str,
    pub(super) name: &'a str,
}

impl UserRow<'_> {
    pub(super) fn hash(&self) -> RowHash {
        let mut hasher = Hasher::default();
        hasher.text(self.email);
        hasher.text(self.name);
        hasher.finish()
    }
}

#[derive(Default)]
struct Hasher(Sha256);

impl Hasher {
    fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn option<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        self.0.update([u8::from(value.is_some())]);
        if let Some(value) = value {
            add(self, value);
        }
    }

    fn finish(self) -> RowHash {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{RowHash, UserRow};

    #[test]
    fn no_two_rows_run_together() {
        let pairs = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")];
        let hash = |(email, name)| UserRow { email, name }.hash();
        let hashes: HashSet<RowHash> = pairs.into_iter().map(hash).collect();
        assert_eq!(hashes.len(), pairs.len());
    }
}
