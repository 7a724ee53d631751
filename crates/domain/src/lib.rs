//! What a post, a tag and an author are, and the rules they obey. No I/O, nothing async.
//!
//! The types here are what the repositories return and what the API sends. Input arrives as JSON
//! and is read by [`post::PostDraft::from_json`] and [`post::PostPatch::from_json`], which report
//! every bad field at once:
//!
//! ```
//! use prepnexus_domain::post::PostDraft;
//!
//! let body = serde_json::json!({"title": "", "content": "text", "colour": "red"});
//! let invalid = PostDraft::from_json(&body).unwrap_err();
//! let fields: Vec<&str> = invalid.errors().iter().map(|e| e.pointer.as_str()).collect();
//! assert_eq!(fields, ["/title", "/colour"]);
//! ```

pub mod author;
pub mod clock;
pub mod cursor;
pub mod fields;
pub mod page;
pub mod pass;
pub mod post;
pub mod render;
pub mod role;
pub mod slug;
pub mod tag;

pub use author::{Author, AuthorRef};
pub use clock::{Clock, SystemClock};
pub use cursor::{Cursor, CursorKey, InvalidCursor};
pub use fields::{FieldError, Invalid};
pub use page::{Direction, ListQuery, Page, SortOrder};
pub use pass::Pass;
pub use post::{
    ContentFormat, Post, PostDraft, PostPatch, PostSummary, Revision, RevisionSummary, Status,
};
pub use role::Role;
pub use slug::Slug;
pub use tag::{Tag, TagRef};
