//! What is kept with an answer besides its bytes: the ladder's own part of a cache entry.
//!
//! ```text
//!  0  u8   0 found, 1 moved, 2 missing
//!  1  u8   1: read from the primary; 2: nobody could show that it was right
//!  2  i32  a post's revision, 0 where it is none
//!  6  i64  when that was made, in milliseconds since 1970
//! 14  i64  when it changes by itself, in milliseconds since 1970; the largest number: never
//! 22  u64  XXH3 of the body
//! 30  u64  system identifier, u32 timeline, u64 position: what a reader of it has seen
//! 50  i64  the post's number
//! 58       the `Link` header, or the slug it moved to
//! ```

use jiff::Timestamp;
use prepnexus_storage::Token;

use super::{answer::Kind, question::Version};

const NEVER: i64 = i64::MAX;
const ON_PRIMARY: u8 = 1;
const DOUBTFUL: u8 = 2;

/// A note as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note<'a> {
    pub(super) kind: Kind,
    pub(super) on_primary: bool,
    pub(super) is_doubtful: bool,
    pub(super) version: Option<Version>,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) digest: u64,
    pub(super) seen: Token,
    pub(super) text: &'a str,
}

impl<'a> Note<'a> {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (post_id, revision, made_at) = self.version.map_or((0, 0, 0), |version| {
            let made_at = version.made_at.as_millisecond();
            (version.post_id, version.revision, made_at)
        });
        let valid_until = self.valid_until.map_or(NEVER, Timestamp::as_millisecond);
        let flag = |holds, flag| if holds { flag } else { 0 };
        let flags = flag(self.on_primary, ON_PRIMARY) | flag(self.is_doubtful, DOUBTFUL);
        let mut bytes = vec![self.kind.code(), flags];
        bytes.extend(revision.to_le_bytes());
        bytes.extend(made_at.to_le_bytes());
        bytes.extend(valid_until.to_le_bytes());
        bytes.extend(self.digest.to_le_bytes());
        bytes.extend(self.seen.system_id.to_le_bytes());
        bytes.extend(self.seen.timeline.to_le_bytes());
        bytes.extend(self.seen.position.to_le_bytes());
        bytes.extend(post_id.to_le_bytes());
        bytes.extend(self.text.as_bytes());
        bytes
    }

    /// `None` if the bytes are none.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let [kind, flags] = take(&mut rest)?;
        let revision = i32::from_le_bytes(take(&mut rest)?);
        let time = |millis: [u8; 8]| Timestamp::from_millisecond(i64::from_le_bytes(millis));
        let made_at = time(take(&mut rest)?).ok()?;
        let valid_until: [u8; 8] = take(&mut rest)?;
        let digest = u64::from_le_bytes(take(&mut rest)?);
        let seen = Token {
            system_id: u64::from_le_bytes(take(&mut rest)?),
            timeline: u32::from_le_bytes(take(&mut rest)?),
            position: u64::from_le_bytes(take(&mut rest)?),
        };
        let post_id = i64::from_le_bytes(take(&mut rest)?);
        let version = Version {
            post_id,
            revision,
            made_at,
        };
        Some(Self {
            kind: Kind::of_code(kind)?,
            on_primary: flags & ON_PRIMARY != 0,
            is_doubtful: flags & DOUBTFUL != 0,
            version: (revision != 0).then_some(version),
            valid_until: match valid_until {
                never if never == NEVER.to_le_bytes() => None,
                millis => Some(time(millis).ok()?),
            },
            digest,
            seen,
            text: std::str::from_utf8(rest).ok()?,
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use prepnexus_storage::Token;

    use super::{Kind, Note, Version};

    #[test]
    fn a_note_comes_back_from_its_bytes_and_nothing_else_is_one() {
        let seen = Token {
            system_id: 7,
            timeline: 2,
            position: 99,
        };
        let plain = Note {
            kind: Kind::Found,
            on_primary: true,
            is_doubtful: false,
            version: None,
            valid_until: None,
            digest: 5,
            seen,
            text: "",
        };
        let time = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        for note in [
            plain,
            Note {
                kind: Kind::Moved,
                on_primary: false,
                is_doubtful: true,
                version: Some(Version {
                    post_id: 9,
                    revision: 3,
                    made_at: time,
                }),
                valid_until: Some(time),
                text: "wohin",
                ..plain
            },
        ] {
            assert_eq!(Note::parse(&note.to_bytes()), Some(note));
        }
        let bytes = plain.to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Note::parse(&bytes[..length]), None);
        }
        assert_eq!(Note::parse(&[9; 60]), None);
    }
}
