//! Tags. A tag is its name, compared without case; its slug is the address of its page.

use serde::{Deserialize, Serialize};

/// The longest tag name, in characters.
pub const MAX_NAME_LEN: usize = 60;
/// The most tags one post may carry.
pub const MAX_PER_POST: usize = 20;

/// A tag as a post carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TagRef {
    /// The address of the tag.
    pub slug: String,
    /// The name as it was first written.
    pub name: String,
}

/// A tag with the number of posts a reader can see under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tag {
    /// The address of the tag.
    pub slug: String,
    /// The name as it was first written.
    pub name: String,
    /// How many published posts carry it.
    pub post_count: i64,
}
