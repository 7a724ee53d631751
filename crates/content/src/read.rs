//! Reading posts, tags and authors.

use prepnexus_domain::{
    Author, Invalid, ListQuery, Post, PostSummary, Slug, Tag, cursor::CursorSigner,
};
use prepnexus_storage::{ReadConn, authors, keys::ApiKey, posts, tags};

use crate::{error::ContentError, service::Content, session::Session};

/// How a post is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostAddress<'a> {
    /// By its number.
    Id(i64),
    /// By its present or a former slug.
    Slug(&'a str),
}

/// What is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The post. `public` when anybody may see it.
    Post {
        /// The post as readers see it; boxed, for it is large.
        post: Box<Post>,
        /// Whether a reader without a key sees it too.
        public: bool,
    },
    /// The post has moved to this slug.
    MovedTo(String),
}

/// A page of posts, with the texts of its cursors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPage {
    /// The posts, in the order asked for.
    pub items: Vec<PostSummary>,
    /// The cursor of the next page.
    pub next_cursor: Option<String>,
    /// The cursor of the page before.
    pub prev_cursor: Option<String>,
    /// How many posts all pages have, where it was asked for.
    pub total: Option<i64>,
}

impl Content {
    /// The post at `address`, where `viewer` may see it: anybody sees what is published, the holder
    /// of a key sees drafts as well.
    ///
    /// # Errors
    /// [`ContentError::NotFound`]; [`ContentError::Storage`].
    pub async fn find_post(
        &self,
        address: PostAddress<'_>,
        viewer: Option<&ApiKey>,
        session: &Session,
    ) -> Result<Found, ContentError> {
        if let PostAddress::Slug(slug) = address
            && Slug::parse(slug).is_err()
        {
            return Err(ContentError::NotFound);
        }
        let find = async |conn: &ReadConn| {
            Ok(match address {
                PostAddress::Id(id) => posts::find_by_id(conn, id).await?,
                PostAddress::Slug(slug) => posts::find_by_slug(conn, slug).await?,
            })
        };
        let stored = self.read(session, find).await?;
        let now = self.clock().now();
        let stored = stored.ok_or(ContentError::NotFound)?;
        let public = stored.is_visible_at(now);
        if !public && viewer.is_none() {
            return Err(ContentError::NotFound);
        }
        if let PostAddress::Slug(slug) = address
            && stored.post.slug != slug
        {
            return Ok(Found::MovedTo(stored.post.slug));
        }
        Ok(Found::Post {
            post: Box::new(stored.seen_at(now)),
            public,
        })
    }

    /// A page of the published posts. `cursor` is the text a former page gave.
    ///
    /// # Errors
    /// [`ContentError::Invalid`] for a cursor that is not ours or of another list;
    /// [`ContentError::Storage`].
    pub async fn list_posts(
        &self,
        mut query: ListQuery,
        cursor: Option<&str>,
        session: &Session,
    ) -> Result<PostPage, ContentError> {
        let signer = self.signer(session).await?;
        if let Some(text) = cursor {
            let cursor = signer.decode(text, &query);
            query.cursor =
                Some(cursor.map_err(|error| Invalid::one("/cursor", error.to_string()))?);
        }
        let (query, now) = (&query, self.clock().now());
        let list = async |conn: &ReadConn| Ok(posts::list(conn, query, now).await?);
        let page = self.read(session, list).await?;
        let encode = |signer: &CursorSigner, cursor| signer.encode(&cursor, query);
        Ok(PostPage {
            items: page.items,
            next_cursor: page.next.map(|cursor| encode(signer, cursor)),
            prev_cursor: page.prev.map(|cursor| encode(signer, cursor)),
            total: page.total,
        })
    }

    /// All tags with published posts, the fullest first.
    ///
    /// # Errors
    /// [`ContentError::Storage`].
    pub async fn list_tags(&self, session: &Session) -> Result<Vec<Tag>, ContentError> {
        let now = self.clock().now();
        let list = async |conn: &ReadConn| Ok(tags::list(conn, now).await?);
        self.read(session, list).await
    }

    /// All authors of published posts, by name.
    ///
    /// # Errors
    /// [`ContentError::Storage`].
    pub async fn list_authors(&self, session: &Session) -> Result<Vec<Author>, ContentError> {
        let now = self.clock().now();
        let list = async |conn: &ReadConn| Ok(authors::list(conn, now).await?);
        self.read(session, list).await
    }
}
