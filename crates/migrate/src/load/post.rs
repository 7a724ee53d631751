//! A post that has all its columns.

use jiff::Timestamp;
use prepnexus_domain::{
    ContentFormat, PostDraft, Slug, Status, fields::Invalid, post::Publication, render::render,
};

/// A post ready to be stored, valid by the domain's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedPost {
    /// Its address.
    pub slug: Slug,
    /// Its title.
    pub title: String,
    /// A few sentences for lists.
    pub excerpt: String,
    /// What the author wrote.
    pub content: String,
    /// What it is written in.
    pub content_format: ContentFormat,
    /// `content` as safe HTML.
    pub html: String,
    /// Who can see it.
    pub status: Status,
    /// The author's name.
    pub author: String,
    /// Where the author's picture is; used where the author is new.
    pub author_avatar_url: Option<String>,
    /// Tag names, without doubles, in the author's order.
    pub tags: Vec<String>,
    /// A picture for lists.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
    /// How long reading it takes.
    pub reading_time_minutes: i32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed; not before `created_at`.
    pub updated_at: Timestamp,
    /// When readers can first see it.
    pub published_at: Option<Timestamp>,
}

impl PreparedPost {
    /// Derives what `draft` leaves open, as of `now`: the HTML, the address from the title, the excerpt. A post was
    /// written when it was published, or `now` where that is not past.
    ///
    /// # Errors
    /// [`Invalid`] where status and time of publication contradict each other.
    pub fn from_draft(
        draft: PostDraft,
        default_author: &str,
        now: Timestamp,
    ) -> Result<Self, Invalid> {
        let publication = publication(draft.status, draft.published_at, now)?;
        let rendered = render(&draft.content, draft.content_format);
        let written_at = publication.published_at.map_or(now, |time| time.min(now));
        let (author, author_avatar_url) = match draft.author {
            Some(author) => (author.name, author.avatar_url),
            None => (default_author.to_owned(), None),
        };
        Ok(Self {
            slug: draft
                .slug
                .unwrap_or_else(|| Slug::from_title(&draft.title, "post")),
            title: draft.title,
            excerpt: draft.excerpt.unwrap_or(rendered.excerpt),
            content: draft.content,
            content_format: draft.content_format,
            html: rendered.html,
            status: publication.status,
            author,
            author_avatar_url,
            tags: draft.tags,
            image_url: draft.image_url,
            meta_description: draft.meta_description,
            reading_time_minutes: rendered.reading_time_minutes,
            created_at: written_at,
            updated_at: written_at,
            published_at: publication.published_at,
        })
    }
}

/// As for any new post, except that a scheduled one may have had its time: the same file is loaded again later.
fn publication(
    status: Status,
    published_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Publication, Invalid> {
    let wanted = Publication {
        status,
        published_at,
    };
    if status == Status::Scheduled && published_at.is_some_and(|time| time <= now) {
        return Ok(wanted);
    }
    Publication::resolve(None, wanted, now)
}
