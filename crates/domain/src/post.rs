//! Posts: the whole one, the line in a list, and what an author may ask for.

mod draft;
mod patch;
mod revision;
mod status;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use draft::{AuthorInput, PostDraft};
pub use patch::{Patched, PostPatch, WantedAuthor, WantedSlug};
pub use revision::{Revision, RevisionSummary};
pub use status::{Publication, Status};

use crate::{author::AuthorRef, tag::TagRef};

/// The longest title, in characters.
pub const MAX_TITLE_LEN: usize = 300;
/// The longest excerpt, in characters.
pub const MAX_EXCERPT_LEN: usize = 1_000;
/// The longest description for search engines, in characters.
pub const MAX_META_DESCRIPTION_LEN: usize = 320;
/// The longest content, in characters.
pub const MAX_CONTENT_LEN: usize = 500_000;

/// What [`Post::content`] is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ContentFormat {
    /// CommonMark with tables and strike-through.
    #[default]
    Markdown,
    /// HTML.
    Html,
}

impl ContentFormat {
    /// The name used in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// The format of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Markdown, Self::Html]
            .into_iter()
            .find(|format| format.as_str() == name)
    }
}

/// A whole post, as `GET /api/v1/posts/{id}` sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Post {
    /// The post's number: given once, never used again.
    pub id: i64,
    /// The post's address. Former ones answer with a redirect.
    pub slug: String,
    /// The title, on one line.
    pub title: String,
    /// A few sentences for lists.
    pub excerpt: String,
    /// What the author wrote.
    pub content: String,
    /// What it is written in.
    pub content_format: ContentFormat,
    /// `content` as HTML that is safe to show.
    pub html: String,
    /// Who can see it. A scheduled post whose time has come says `published`.
    pub status: Status,
    /// Who wrote it.
    pub author: AuthorRef,
    /// What it is about, in the author's order.
    pub tags: Vec<TagRef>,
    /// A picture for lists and previews.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
    /// How long reading it takes, at least 1.
    pub reading_time_minutes: i32,
    /// How often it was read.
    pub view_count: i64,
    /// Counts the edits, from 1.
    pub revision: i32,
    /// When it was first saved.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// When readers could, or can, first see it.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub published_at: Option<Timestamp>,
}

/// A post in a list: all but `content` and `html`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostSummary {
    /// The post's number.
    pub id: i64,
    /// The post's address.
    pub slug: String,
    /// The title, on one line.
    pub title: String,
    /// A few sentences for lists.
    pub excerpt: String,
    /// What its content is written in.
    pub content_format: ContentFormat,
    /// Who can see it.
    pub status: Status,
    /// Who wrote it.
    pub author: AuthorRef,
    /// What it is about, in the author's order.
    pub tags: Vec<TagRef>,
    /// A picture for lists and previews.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
    /// How long reading it takes, at least 1.
    pub reading_time_minutes: i32,
    /// How often it was read.
    pub view_count: i64,
    /// Counts the edits, from 1.
    pub revision: i32,
    /// When it was first saved.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Timestamp,
    /// When readers could first see it.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub published_at: Option<Timestamp>,
}
