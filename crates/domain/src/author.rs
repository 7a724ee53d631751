//! Authors. An author is a name, compared without case and with white space folded.

use serde::{Deserialize, Serialize};

/// The longest author name, in characters.
pub const MAX_NAME_LEN: usize = 120;

/// An author as a post names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuthorRef {
    /// The author's number.
    pub id: i64,
    /// The address of the author.
    pub slug: String,
    /// The name as it was first written.
    pub name: String,
    /// Where the author's picture is.
    pub avatar_url: Option<String>,
}

/// An author with the number of posts a reader can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Author {
    /// The author's number.
    pub id: i64,
    /// The address of the author.
    pub slug: String,
    /// The name as it was first written.
    pub name: String,
    /// Where the author's picture is.
    pub avatar_url: Option<String>,
    /// How many published posts the author has.
    pub post_count: i64,
}
