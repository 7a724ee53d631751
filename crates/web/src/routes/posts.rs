//! `/api/v1/posts`: pages, single posts, changes.

pub(crate) mod list;
pub(crate) mod read;
pub(crate) mod write;
