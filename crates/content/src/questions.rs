//! What readers ask: one post, a page of posts, the tags, the authors; and authors, what a post was.

mod history;
mod names;
mod page;
mod post;

pub use history::{History, HistoryQuestion, RevisionQuestion};
pub use names::{AuthorsQuestion, TagsQuestion};
pub use page::{PageQuestion, PostPage};
pub use post::PostQuestion;
