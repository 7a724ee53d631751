//! Changing a post that is at the revision its writer knows.

use prepnexus_domain::{
    Post, PostDraft, PostPatch,
    post::{Patched, WantedAuthor, WantedSlug},
    render::Rendered,
};
use prepnexus_storage::{
    Tx,
    authors::{self, FoundAuthor},
    feed::Change,
    keys::ApiKey,
    posts::{self, PostRecord, StoredPost},
    record_change, tags,
};

use super::{Writer, Written, lost_slug_race, read_back, render_apart};
use crate::{
    access::{Precondition, check_may_change, check_revision, may_replace_picture},
    change_tags,
    error::ContentError,
    service::Content,
};

impl Content {
    /// Changes some fields of a post.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::Forbidden`], [`ContentError::RevisionMismatch`],
    /// [`ContentError::Invalid`], [`ContentError::SlugTaken`], [`ContentError::Storage`].
    pub async fn patch_post(
        &self,
        writer: Writer<'_>,
        id: i64,
        condition: Precondition,
        patch: PostPatch,
    ) -> Result<Written<Post>, ContentError> {
        self.update_post(writer, id, condition, Wanted::Patch(patch.into()))
            .await
    }

    /// Gives a post back what it said at a former revision: what it says now is kept as well.
    ///
    /// # Errors
    /// As [`Content::patch_post`]; [`ContentError::NotFound`] where it never was at that revision, or is now.
    pub async fn restore_post(
        &self,
        writer: Writer<'_>,
        id: i64,
        condition: Precondition,
        revision: i32,
    ) -> Result<Written<Post>, ContentError> {
        self.update_post(writer, id, condition, Wanted::Revision(revision))
            .await
    }

    async fn update_post(
        &self,
        writer: Writer<'_>,
        id: i64,
        condition: Precondition,
        wanted: Wanted,
    ) -> Result<Written<Post>, ContentError> {
        let change = Update {
            key: writer.key,
            id,
            condition,
            wanted,
            now: self.clock().now(),
        };
        loop {
            let update = async |tx: &Tx| change.run(tx).await;
            match self.write_once("posts.update", writer, update).await {
                // One that was asked for exactly is found to be taken next time.
                Err(error) if lost_slug_race(&error) => {}
                outcome => return outcome,
            }
        }
    }

    /// Replaces a post: what the draft leaves out goes back to its default.
    ///
    /// # Errors
    /// As [`Content::patch_post`].
    pub async fn replace_post(
        &self,
        writer: Writer<'_>,
        id: i64,
        condition: Precondition,
        draft: PostDraft,
    ) -> Result<Written<Post>, ContentError> {
        let patch = PostPatch::replacing_with(draft);
        self.patch_post(writer, id, condition, patch).await
    }
}

struct Update<'a> {
    key: &'a ApiKey,
    id: i64,
    condition: Precondition,
    wanted: Wanted,
    now: jiff::Timestamp,
}

/// What a post is to become.
enum Wanted {
    /// What it is, with this change.
    Patch(Box<PostPatch>),
    /// What it was at that revision.
    Revision(i32),
}

impl Wanted {
    async fn patch(&self, tx: &Tx, id: i64) -> Result<PostPatch, ContentError> {
        match self {
            Self::Patch(patch) => Ok(PostPatch::clone(patch)),
            Self::Revision(revision) => {
                let revision = posts::find_revision(tx, id, *revision).await?;
                let revision = revision.ok_or(ContentError::NotFound)?;
                Ok(PostPatch::restoring(revision))
            }
        }
    }
}

impl Update<'_> {
    async fn run(&self, tx: &Tx) -> Result<(Post, Option<Change>), ContentError> {
        let stored = posts::find_for_update(tx, self.id)
            .await?
            .ok_or(ContentError::NotFound)?;
        check_may_change(self.key, stored.created_by)?;
        check_revision(&self.condition, &stored)?;
        let before = &stored.post;
        let patch = self.wanted.patch(tx, self.id).await?;
        let patched = patch.apply(before, self.now)?;
        let tags = patched.tags.clone();
        let author = self.author(tx, &patched).await?;
        let record = self.record(tx, &stored, patched, author.id).await?;
        let names_now = || before.tags.iter().map(|tag| tag.name.to_lowercase());
        let same_tags = tags
            .as_ref()
            .is_none_or(|tags| tags.iter().map(|t| t.to_lowercase()).eq(names_now()));
        if !same_tags || record != record_of(before) {
            posts::update(tx, self.id, &record, self.now).await?;
        }
        if let Some(names) = tags.filter(|_| !same_tags) {
            let tag_ids = tags::find_or_insert(tx, &names).await?;
            posts::set_tags(tx, self.id, &tag_ids).await?;
        }
        // The author's picture may have changed, with or without the post.
        let after = read_back(tx, self.id, self.now).await?;
        if after == stored.clone().seen_at(self.now) {
            return Ok((after, None));
        }
        let mut names = change_tags::of_change(Some(before), Some(&after));
        if author.has_new_picture {
            names.extend(change_tags::of_author(&after.author));
        }
        let change = record_change(tx, &names).await?;
        Ok((after, change))
    }

    async fn author(&self, tx: &Tx, patched: &Patched) -> Result<FoundAuthor, ContentError> {
        Ok(match &patched.author {
            WantedAuthor::Same(author) => FoundAuthor {
                id: author.id,
                has_new_picture: false,
            },
            WantedAuthor::Named(author) => {
                let may_replace = may_replace_picture(self.key);
                let picture = author.avatar_url.as_deref();
                authors::find_or_insert(tx, &author.name, picture, may_replace).await?
            }
        })
    }

    async fn record(
        &self,
        tx: &Tx,
        stored: &StoredPost,
        patched: Patched,
        author_id: i64,
    ) -> Result<PostRecord, ContentError> {
        let before = &stored.post;
        let slug = match patched.slug {
            WantedSlug::MadeFrom(base) => posts::free_slug(tx, &base, Some(self.id))
                .await?
                .into_string(),
            WantedSlug::Exactly(slug) if slug.as_str() == before.slug => slug.into_string(),
            WantedSlug::Exactly(slug) => {
                let free = posts::free_slug(tx, &slug, Some(self.id)).await?;
                if free != slug {
                    return Err(ContentError::SlugTaken(slug.into_string()));
                }
                slug.into_string()
            }
        };
        let unchanged =
            patched.content == before.content && patched.content_format == before.content_format;
        let (content, rendered) = if unchanged && patched.excerpt.is_some() {
            let rendered = Rendered {
                html: before.html.clone(),
                excerpt: String::new(),
                reading_time_minutes: before.reading_time_minutes,
            };
            (patched.content, rendered)
        } else {
            render_apart(patched.content, patched.content_format).await?
        };
        Ok(PostRecord {
            slug,
            title: patched.title,
            excerpt: patched.excerpt.unwrap_or(rendered.excerpt),
            content,
            content_format: patched.content_format,
            html: rendered.html,
            status: patched.publication.status,
            author_id,
            image_url: patched.image_url,
            meta_description: patched.meta_description,
            reading_time_minutes: rendered.reading_time_minutes,
            published_at: patched.publication.published_at,
        })
    }
}

fn record_of(post: &Post) -> PostRecord {
    let post = post.clone();
    PostRecord {
        slug: post.slug,
        title: post.title,
        excerpt: post.excerpt,
        content: post.content,
        content_format: post.content_format,
        html: post.html,
        status: post.status,
        author_id: post.author.id,
        image_url: post.image_url,
        meta_description: post.meta_description,
        reading_time_minutes: post.reading_time_minutes,
        published_at: post.published_at,
    }
}
