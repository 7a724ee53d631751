//! All tags, and all authors, with how many posts a reader finds under each.

use prepnexus_domain::{Author, Tag};
use prepnexus_storage::{ReadConn, authors, posts, tags};

use crate::{
    change_tags::Dependencies,
    error::ContentError,
    ladder::{Asking, Draft, Outcome, Question},
};

/// Asks for all tags with published posts, the fullest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagsQuestion;

/// Asks for all authors of published posts, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthorsQuestion;

impl Question for TagsQuestion {
    type Found = Vec<Tag>;

    fn key(&self) -> String {
        "tags".into()
    }

    fn kind(&self) -> &'static str {
        "tags.list"
    }

    async fn find(
        &self,
        conn: &ReadConn,
        asking: Asking<'_>,
    ) -> Result<Draft<Vec<Tag>>, ContentError> {
        let valid_until = posts::next_listed(conn, asking.now).await?;
        let tags = tags::list(conn, asking.now).await?;
        Ok(Draft {
            valid_until,
            ..Draft::new(Outcome::Found(tags), Dependencies::tags())
        })
    }
}

impl Question for AuthorsQuestion {
    type Found = Vec<Author>;

    fn key(&self) -> String {
        "authors".into()
    }

    fn kind(&self) -> &'static str {
        "authors.list"
    }

    async fn find(
        &self,
        conn: &ReadConn,
        asking: Asking<'_>,
    ) -> Result<Draft<Vec<Author>>, ContentError> {
        let valid_until = posts::next_listed(conn, asking.now).await?;
        let authors = authors::list(conn, asking.now).await?;
        Ok(Draft {
            valid_until,
            ..Draft::new(Outcome::Found(authors), Dependencies::authors())
        })
    }
}
