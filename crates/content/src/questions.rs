//! What readers ask: one post, a page of posts, the tags, the authors.

mod names;
mod page;
mod post;

pub use names::{AuthorsQuestion, TagsQuestion};
pub use page::{PageQuestion, PostPage};
pub use post::PostQuestion;
