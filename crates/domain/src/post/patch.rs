//! What an author changes of a post: the body of PATCH, a JSON merge patch (RFC 7396).

use jiff::Timestamp;
use serde_json::Value;

use super::{ContentFormat, Post, PostDraft, Publication, Revision, Status, draft};
use crate::{
    AuthorRef,
    fields::{Fields, Given, Invalid},
    post::AuthorInput,
    slug::Slug,
};

/// A valid change. An absent field stays as it is; `null` clears one that may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostPatch {
    /// A new address; `null` makes one from the title.
    pub slug: Given<Slug>,
    /// A new title.
    pub title: Option<String>,
    /// A new excerpt; `null` takes the beginning of the content.
    pub excerpt: Given<String>,
    /// New content.
    pub content: Option<String>,
    /// What the content is written in.
    pub content_format: Option<ContentFormat>,
    /// Who can see it.
    pub status: Option<Status>,
    /// Who wrote it.
    pub author: Option<AuthorInput>,
    /// New tag names, in place of all the old ones.
    pub tags: Option<Vec<String>>,
    /// A new picture.
    pub image_url: Given<String>,
    /// A new description for search engines.
    pub meta_description: Given<String>,
    /// When readers can first see it.
    pub published_at: Given<Timestamp>,
}

impl PostPatch {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`Invalid`] with every bad field.
    pub fn from_json(body: &Value) -> Result<Self, Invalid> {
        let mut fields = Fields::of(body)?;
        for name in [
            "title",
            "content",
            "content_format",
            "status",
            "author",
            "tags",
        ] {
            if body.get(name).is_some_and(Value::is_null) {
                fields.faults.add(format!("/{name}"), "can't be null");
            }
        }
        let read = draft::read_fields(&mut fields);
        let title = fields.read("title", draft::title).value();
        let content = fields.read("content", draft::content).value();
        fields.finish()?;
        Ok(Self {
            title,
            content,
            slug: read.slug,
            excerpt: read.excerpt,
            content_format: read.content_format.value(),
            status: read.status.value(),
            author: read.author.value(),
            tags: read.tags.value(),
            image_url: read.image_url,
            meta_description: read.meta_description,
            published_at: read.published_at,
        })
    }

    /// The patch that makes a post into `draft`, as PUT does: what the draft leaves out goes back
    /// to its default. A published post put without a time keeps the time it has.
    #[must_use]
    pub fn replacing_with(draft: PostDraft) -> Self {
        let keeps_its_time = draft.status == Status::Published && draft.published_at.is_none();
        Self {
            slug: draft.slug.map_or(Given::Absent, Given::Value),
            title: Some(draft.title),
            excerpt: or_clear(draft.excerpt),
            content: Some(draft.content),
            content_format: Some(draft.content_format),
            status: Some(draft.status),
            author: draft.author,
            tags: Some(draft.tags),
            image_url: or_clear(draft.image_url),
            meta_description: or_clear(draft.meta_description),
            published_at: if keeps_its_time {
                Given::Absent
            } else {
                or_clear(draft.published_at)
            },
        }
    }

    /// The patch that gives a post back what it said at `revision`: its texts, tags and picture. Its address, its author, and who can see
    /// it from when stay as they are; but an address that was made from the title follows that.
    #[must_use]
    pub fn restoring(revision: Revision) -> Self {
        Self {
            title: Some(revision.title),
            excerpt: Given::Value(revision.excerpt),
            content: Some(revision.content),
            content_format: Some(revision.content_format),
            tags: Some(revision.tags),
            image_url: or_clear(revision.image_url),
            meta_description: or_clear(revision.meta_description),
            ..Self::default()
        }
    }

    /// `current`, its status as stored, with this change, at the time `now`.
    ///
    /// The slug follows the title for as long as it was made from it: an address that somebody
    /// chose stays. `slug` in the result is the one wanted; it may have to be numbered.
    ///
    /// # Errors
    /// [`Invalid`] when the status and time that result don't go together.
    pub fn apply(self, current: &Post, now: Timestamp) -> Result<Patched, Invalid> {
        let publication = self.publication(current, now)?;
        let title = self.title.unwrap_or_else(|| current.title.clone());
        let slug = match self.slug {
            Given::Value(slug) => WantedSlug::Exactly(slug),
            Given::Null => WantedSlug::MadeFrom(Slug::from_title(&title, "post")),
            Given::Absent => follow_title(current, &title),
        };
        let excerpt = match self.excerpt {
            Given::Value(excerpt) => Some(excerpt),
            Given::Null => None,
            Given::Absent => Some(current.excerpt.clone()),
        };
        Ok(Patched {
            slug,
            title,
            excerpt,
            content: self.content.unwrap_or_else(|| current.content.clone()),
            content_format: self.content_format.unwrap_or(current.content_format),
            publication,
            author: self.author.map_or_else(
                || WantedAuthor::Same(current.author.clone()),
                WantedAuthor::Named,
            ),
            tags: self.tags,
            image_url: self.image_url.or_keep(current.image_url.clone()),
            meta_description: self
                .meta_description
                .or_keep(current.meta_description.clone()),
        })
    }

    fn publication(&self, current: &Post, now: Timestamp) -> Result<Publication, Invalid> {
        let was = Publication {
            status: current.status,
            published_at: current.published_at,
        };
        let mut wanted = Publication {
            // A scheduled post whose time has come is a published one to whoever changes it.
            status: self.status.unwrap_or(was.as_seen_at(now).status),
            published_at: self.published_at.clone().or_keep(current.published_at),
        };
        // A scheduled post that is published early appears now, not at the time it was to appear.
        if wanted.status == Status::Published
            && self.published_at == Given::Absent
            && wanted.published_at.is_some_and(|time| time > now)
        {
            wanted.published_at = None;
        }
        Publication::resolve(Some(was), wanted, now)
    }
}

fn or_clear<T>(value: Option<T>) -> Given<T> {
    value.map_or(Given::Null, Given::Value)
}

fn follow_title(current: &Post, title: &str) -> WantedSlug {
    let Ok(slug) = Slug::parse(&current.slug) else {
        return WantedSlug::MadeFrom(Slug::from_title(title, "post"));
    };
    let (was, becomes) = (
        Slug::from_title(&current.title, "post"),
        Slug::from_title(title, "post"),
    );
    if was != becomes && slug.is_candidate_of(&was) {
        WantedSlug::MadeFrom(becomes)
    } else {
        WantedSlug::Exactly(slug)
    }
}

/// The address a post is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedSlug {
    /// This one: another post that has it is a conflict.
    Exactly(Slug),
    /// This one, numbered if another post has it.
    MadeFrom(Slug),
}

/// The author a post is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedAuthor {
    /// The one it has.
    Same(AuthorRef),
    /// The one of this name, made if need be.
    Named(AuthorInput),
}

/// A post as it is to be stored after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patched {
    /// The address wanted.
    pub slug: WantedSlug,
    /// The title.
    pub title: String,
    /// The excerpt; `None`: the beginning of the content.
    pub excerpt: Option<String>,
    /// The content.
    pub content: String,
    /// What it is written in.
    pub content_format: ContentFormat,
    /// Who can see it, and from when.
    pub publication: Publication,
    /// Who wrote it.
    pub author: WantedAuthor,
    /// New tags; `None`: the ones it has.
    pub tags: Option<Vec<String>>,
    /// A picture.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
}
