//! An answer on its way to a reader.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prepnexus_cache::{Encoding, Entry, Served, Source};
use prepnexus_storage::Token;

use super::{is_doubtful, note::Note, question::Version};

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for.
    Found,
    /// It has another address now: [`Answer::moved_to`].
    Moved,
    /// There is nothing the reader may see.
    Missing,
}

impl Kind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Found => 0,
            Self::Moved => 1,
            Self::Missing => 2,
        }
    }

    pub(super) const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Found),
            1 => Some(Self::Moved),
            2 => Some(Self::Missing),
            _ => None,
        }
    }
}

/// Where an answer comes from: which rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This process had it.
    Memory,
    /// Another process had left it in Redis.
    Redis,
    /// It was read from a replica.
    Replica,
    /// It was read from the primary.
    Primary,
    /// It is a copy that nobody can show to be right, as old as this: the database is away.
    Stale(Duration),
}

/// An answer, ready to be sent.
#[derive(Debug, Clone)]
pub struct Answer {
    entry: Arc<Entry>,
    kind: Kind,
    origin: Origin,
    is_private: bool,
    version: Option<Version>,
    digest: u64,
    seen: Token,
}

impl Answer {
    /// `None` if it was kept by who knows whom.
    pub(super) fn of(served: &Served, is_private: bool) -> Option<Self> {
        let note = Note::parse(served.entry.note())?;
        let origin = match served.source {
            _ if is_doubtful(served, &note) => Origin::Stale(served.entry.age(Instant::now())),
            Source::Memory => Origin::Memory,
            Source::Redis => Origin::Redis,
            Source::Load | Source::Stale if note.on_primary => Origin::Primary,
            Source::Load | Source::Stale => Origin::Replica,
        };
        Some(Self {
            kind: note.kind,
            origin,
            is_private,
            version: note.version,
            digest: note.digest,
            seen: note.seen,
            entry: Arc::clone(&served.entry),
        })
    }

    /// What kind of answer it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it is for this reader alone.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// The body in that encoding, where it is kept in that; [`Encoding::Identity`] always is.
    #[must_use]
    pub fn body(&self, encoding: Encoding) -> Option<Bytes> {
        self.entry.body(encoding)
    }

    /// What the caller makes of it to send it sooner next time: made once for all who are given this copy. `None` if something
    /// of another type was made of it.
    pub fn made<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.entry.made(make)
    }

    /// The hash of the body (XXH3).
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Which post it is, if it is one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// The slug it moved to.
    #[must_use]
    pub fn moved_to(&self) -> Option<&str> {
        (self.kind == Kind::Moved).then(|| self.text())
    }

    /// The value of the `Link` header.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        let text = self.text();
        (self.kind == Kind::Found && !text.is_empty()).then_some(text)
    }

    pub(super) fn seen(&self) -> Token {
        self.seen
    }

    fn text(&self) -> &str {
        Note::parse(self.entry.note()).map_or("", |note| note.text)
    }
}
