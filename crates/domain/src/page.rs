//! Lists in pages: how they are sorted, filtered and cut.

use std::str::FromStr;

use crate::cursor::Cursor;

/// The order of a list of posts. Ties are broken by the post's number, so that every order is
/// total and a page never repeats or skips a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// Most read first.
    MostViewed,
    /// By title, without case.
    Title,
}

impl SortOrder {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::MostViewed, Self::Title];

    /// The value of the query parameter `sort`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "-published_at",
            Self::Oldest => "published_at",
            Self::MostViewed => "-view_count",
            Self::Title => "title",
        }
    }
}

/// A text that names no order.
#[derive(Debug, thiserror::Error)]
#[error("must be one of -published_at, published_at, -view_count, title")]
pub struct UnknownSortOrder;

impl FromStr for SortOrder {
    type Err = UnknownSortOrder;

    fn from_str(text: &str) -> Result<Self, UnknownSortOrder> {
        Self::ALL
            .into_iter()
            .find(|order| order.as_str() == text)
            .ok_or(UnknownSortOrder)
    }
}

/// Which way from a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The page after it.
    Forward,
    /// The page before it.
    Backward,
}

/// A valid request for a page of posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// The most posts on the page, 1 to 100.
    pub limit: u16,
    /// The order.
    pub sort: SortOrder,
    /// Only posts under the tag of this slug.
    pub tag: Option<String>,
    /// Only posts by the author of this slug.
    pub author: Option<String>,
    /// Only posts with these words.
    pub text: Option<String>,
    /// Where to begin; `None`: at the beginning.
    pub cursor: Option<Cursor>,
    /// Whether the number of all posts is wanted: it costs a count.
    pub include_total: bool,
}

impl ListQuery {
    /// The largest page.
    pub const MAX_LIMIT: u16 = 100;
    /// The page where none is asked for.
    pub const DEFAULT_LIMIT: u16 = 20;
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            limit: Self::DEFAULT_LIMIT,
            sort: SortOrder::default(),
            tag: None,
            author: None,
            text: None,
            cursor: None,
            include_total: false,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
    /// Where the page before begins; `None` on the first.
    pub prev: Option<Cursor>,
    /// How many items all pages have together, where it was asked for.
    pub total: Option<i64>,
}
