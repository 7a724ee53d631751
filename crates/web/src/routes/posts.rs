//! `/api/v1/posts`: pages, single posts, changes, and what was before them.

pub(crate) mod list;
pub(crate) mod read;
pub(crate) mod revisions;
pub(crate) mod write;
