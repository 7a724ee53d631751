//! Making a post, at most once per idempotency key.

use prepnexus_domain::{
    Post, PostDraft, Role, Slug,
    post::{AuthorInput, Publication, WantedSlug},
};
use prepnexus_storage::{
    Tx, authors,
    feed::Change,
    keys::ApiKey,
    posts::{self, PostRecord},
    record_change, tags,
};

use super::{Writer, Written, lost_slug_race, read_back, render_apart};
use crate::{
    access::{check_role, may_replace_picture},
    change_tags,
    error::ContentError,
    service::Content,
};

/// Everything the transaction needs, worked out before it begins.
struct Plan<'a> {
    key: &'a ApiKey,
    record: PostRecord,
    slug: WantedSlug,
    author: AuthorInput,
    tags: Vec<String>,
    now: jiff::Timestamp,
}

impl Content {
    /// Makes a post. A repeat with the same idempotency key makes nothing and gives the first
    /// answer.
    ///
    /// # Errors
    /// [`ContentError::Forbidden`] below the role author, [`ContentError::Invalid`],
    /// [`ContentError::SlugTaken`], [`ContentError::IdempotencyKeyReused`],
    /// [`ContentError::Storage`].
    pub async fn create_post(
        &self,
        writer: Writer<'_>,
        draft: PostDraft,
    ) -> Result<Written<Post>, ContentError> {
        check_role(writer.key, Role::Author)?;
        let plan = Plan::new(writer.key, draft, self.clock().now()).await?;
        loop {
            let create = async |tx: &Tx| plan.run(tx).await;
            match self.write_once("posts.create", writer, create).await {
                Err(error) if lost_slug_race(&error) => match &plan.slug {
                    WantedSlug::Exactly(slug) => {
                        return Err(ContentError::SlugTaken(slug.to_string()));
                    }
                    // Of those who race one wins each time, so that this ends; at the deadline at last.
                    WantedSlug::MadeFrom(_) => {}
                },
                outcome => return outcome,
            }
        }
    }
}

impl<'a> Plan<'a> {
    async fn new(
        key: &'a ApiKey,
        draft: PostDraft,
        now: jiff::Timestamp,
    ) -> Result<Self, ContentError> {
        let (content, rendered) = render_apart(draft.content, draft.content_format).await?;
        let slug = match draft.slug {
            Some(slug) => WantedSlug::Exactly(slug),
            None => WantedSlug::MadeFrom(Slug::from_title(&draft.title, "post")),
        };
        let by_key = || AuthorInput {
            name: key.name.clone(),
            avatar_url: None,
        };
        Ok(Self {
            key,
            slug,
            author: draft.author.unwrap_or_else(by_key),
            tags: draft.tags,
            now,
            record: PostRecord {
                slug: String::new(),
                title: draft.title,
                excerpt: draft.excerpt.unwrap_or(rendered.excerpt),
                content,
                content_format: draft.content_format,
                html: rendered.html,
                status: draft.status,
                author_id: 0,
                image_url: draft.image_url,
                meta_description: draft.meta_description,
                reading_time_minutes: rendered.reading_time_minutes,
                published_at: draft.published_at,
            },
        })
    }

    async fn run(&self, tx: &Tx) -> Result<(Post, Option<Change>), ContentError> {
        // Not before the claim: a time that lay ahead at the first request may be past at its repeat.
        let wanted = Publication {
            status: self.record.status,
            published_at: self.record.published_at,
        };
        let publication = Publication::resolve(None, wanted, self.now)?;
        let slug = match &self.slug {
            WantedSlug::Exactly(slug) => slug.clone(),
            WantedSlug::MadeFrom(base) => posts::free_slug(tx, base, None).await?,
        };
        let AuthorInput { name, avatar_url } = &self.author;
        let may_replace = may_replace_picture(self.key);
        let author = authors::find_or_insert(tx, name, avatar_url.as_deref(), may_replace).await?;
        let record = PostRecord {
            slug: slug.into_string(),
            author_id: author.id,
            status: publication.status,
            published_at: publication.published_at,
            ..self.record.clone()
        };
        let tag_ids = tags::find_or_insert(tx, &self.tags).await?;
        let id = posts::insert(tx, &record, Some(self.key.id), self.now).await?;
        posts::set_tags(tx, id, &tag_ids).await?;
        let post = read_back(tx, id, self.now).await?;
        let mut names = change_tags::of_change(None, Some(&post));
        if author.has_new_picture {
            names.extend(change_tags::of_author(&post.author));
        }
        let change = record_change(tx, &names).await?;
        Ok((post, change))
    }
}
