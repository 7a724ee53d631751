//! What a post was before an edit.

use jiff::Timestamp;
use serde::Serialize;

use super::{ContentFormat, Status};
use crate::author::AuthorRef;

/// What a post was before an edit, or before it was deleted, in a list: all but what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionSummary {
    /// The revision of the post that this was.
    pub revision: i32,
    /// The address it had.
    pub slug: String,
    /// The title it had.
    pub title: String,
    /// The excerpt it had.
    pub excerpt: String,
    /// Who could see it, as it was stored.
    pub status: Status,
    /// Who wrote it; null where the author is none any more.
    pub author: Option<AuthorRef>,
    /// Since when it was so.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub written_at: Timestamp,
    /// Until when it was so.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub replaced_at: Timestamp,
    /// Whether it was deleted then, and not edited.
    pub deleted: bool,
}

/// What a post was before an edit, or before it was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revision {
    /// The revision of the post that this was.
    pub revision: i32,
    /// The address it had.
    pub slug: String,
    /// The title it had.
    pub title: String,
    /// The excerpt it had.
    pub excerpt: String,
    /// What the author had written.
    pub content: String,
    /// What that is written in.
    pub content_format: ContentFormat,
    /// Who could see it, as it was stored.
    pub status: Status,
    /// Who wrote it; null where the author is none any more.
    pub author: Option<AuthorRef>,
    /// The names of its tags, in the author's order.
    pub tags: Vec<String>,
    /// The picture it had.
    pub image_url: Option<String>,
    /// The description it had.
    pub meta_description: Option<String>,
    /// When readers could, or could have, first seen it.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub published_at: Option<Timestamp>,
    /// Since when it was so.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub written_at: Timestamp,
    /// Until when it was so.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub replaced_at: Timestamp,
    /// Whether it was deleted then, and not edited.
    pub deleted: bool,
}
