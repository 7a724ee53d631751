//! One post.

use prepnexus_domain::{Post, Slug};
use prepnexus_storage::{ReadConn, posts};

use crate::{
    change_tags::Dependencies,
    error::ContentError,
    ladder::{Asking, Draft, Outcome, Question, Version},
};

/// Asks for the post at an address: anybody sees what is published, the holder of a key sees drafts as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostQuestion {
    /// By its number.
    Id(i64),
    /// By its present or a former slug.
    Slug(String),
}

impl Question for PostQuestion {
    type Found = Post;

    fn key(&self) -> String {
        match self {
            Self::Id(id) => format!("post:{id}"),
            Self::Slug(slug) => format!("slug:{slug}"),
        }
    }

    fn kind(&self) -> &'static str {
        "posts.find"
    }

    async fn find(&self, conn: &ReadConn, asking: Asking<'_>) -> Result<Draft<Post>, ContentError> {
        let (stored, dependencies) = match self {
            Self::Id(id) => (posts::find_by_id(conn, *id).await?, Dependencies::post(*id)),
            // Nothing can be there, and nobody need be asked.
            Self::Slug(slug) if Slug::parse(slug).is_err() => (None, Dependencies::none()),
            Self::Slug(slug) => (
                posts::find_by_slug(conn, slug).await?,
                Dependencies::slug(slug),
            ),
        };
        let Some(stored) = stored else {
            return Ok(Draft::new(Outcome::Missing, dependencies));
        };
        let dependencies = dependencies.and_post(&stored.post);
        if !stored.is_visible_at(asking.now) && !asking.sees_drafts {
            return Ok(Draft {
                valid_until: stored.appears_after(asking.now),
                ..Draft::new(Outcome::Missing, dependencies)
            });
        }
        let post = stored.seen_at(asking.now);
        match self {
            Self::Slug(slug) if *slug != post.slug => {
                Ok(Draft::new(Outcome::MovedTo(post.slug), dependencies))
            }
            _ => Ok(Draft {
                version: Some(Version {
                    post_id: post.id,
                    revision: post.revision,
                    made_at: post.updated_at,
                }),
                ..Draft::new(Outcome::Found(post), dependencies)
            }),
        }
    }
}
