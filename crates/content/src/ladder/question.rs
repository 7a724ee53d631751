//! What can be asked, and what an answer says of itself.

use std::time::Duration;

use jiff::Timestamp;
use prepnexus_storage::ReadConn;

use crate::{change_tags::Dependencies, error::ContentError, gate::Class, service::Content};

/// For how long an answer is served without being renewed, if nothing it depends on changes: what changes without being
/// recorded, the number of views, is older by no more than this.
const FRESH: Duration = Duration::from_secs(60);
/// For how long it may be served at all, where nothing better is to be had.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for what there is not: many more things are not than are.
const MISSING_FRESH: Duration = Duration::from_secs(30);
const MISSING_KEPT: Duration = Duration::from_secs(60);
/// The same where the questions are whatever readers type.
const RARE_KEPT: Duration = Duration::from_secs(10 * 60);

/// Something readers ask. All who ask the same are given the same.
pub trait Question: Clone + Send + Sync + 'static {
    /// What is found.
    type Found: Send + Sync;

    /// Names it: different for different questions, and the same in all processes.
    fn key(&self) -> String;

    /// What is alike in what it costs: few, and named for metrics.
    fn kind(&self) -> &'static str;

    /// How readily it is refused where too much is asked of the database.
    fn class(&self) -> Class {
        Class::Read
    }

    /// Finds the answer in the database.
    fn find(
        &self,
        conn: &ReadConn,
        asking: Asking<'_>,
    ) -> impl Future<Output = Result<Draft<Self::Found>, ContentError>> + Send;
}

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    pub(crate) content: &'a Content,
    pub(crate) sees_drafts: bool,
    pub(crate) now: Timestamp,
}

/// What is at an address, or in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<F> {
    /// This.
    Found(F),
    /// It has moved to another slug.
    MovedTo(String),
    /// Nothing the reader may see.
    Missing,
}

/// An answer as it was read, and for how long it is one.
#[derive(Debug)]
pub struct Draft<F> {
    pub(crate) outcome: Outcome<F>,
    pub(crate) dependencies: Dependencies,
    /// When it changes by itself.
    pub(crate) valid_until: Option<Timestamp>,
    /// Of a post.
    pub(crate) version: Option<Version>,
    /// Whether few ask this, each in words of their own.
    pub(crate) is_rare: bool,
}

impl<F> Draft<F> {
    pub(crate) fn new(outcome: Outcome<F>, dependencies: Dependencies) -> Self {
        Self {
            outcome,
            dependencies,
            valid_until: None,
            version: None,
            is_rare: false,
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.outcome, Outcome::Missing)
    }

    /// For how long it is as good as new, and for how long it is kept.
    pub(crate) fn lifetimes(&self) -> (Duration, Duration) {
        if self.is_missing() {
            (MISSING_FRESH, MISSING_KEPT)
        } else if self.is_rare {
            (FRESH, RARE_KEPT)
        } else {
            (FRESH, KEPT)
        }
    }
}

/// Which post an answer is, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The post's number.
    pub post_id: i64,
    /// The revision it is at.
    pub revision: i32,
    /// When that was made.
    pub made_at: Timestamp,
}

/// What was found, as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Representation {
    /// The body.
    pub body: Vec<u8>,
    /// The value of a `Link` header; empty: none.
    pub link: String,
}
