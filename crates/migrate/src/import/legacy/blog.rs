//! What a row of `blogs` means.

use jiff::Timestamp;
use prepnexus_domain::{Slug, Status, author, post};

use super::{
    source::Record,
    value::{Reason, Refusal},
};

/// The largest number that a post keeps: readers of JSON have no larger ones, and the next posts are numbered from here on.
const MAX_ID: i64 = (1 << 53) - 1;
/// The longest address of a picture.
const MAX_URL_LEN: usize = 2_000;

/// A row of `blogs` as a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blog {
    /// Its number, which is kept.
    pub id: i64,
    /// Its own address, or one made from its title; another row may have the same.
    pub slug: Slug,
    /// What was changed on the way.
    pub adjustments: Vec<Adjustment>,
    /// Its title: one line.
    pub title: String,
    /// The author's name: one line.
    pub author: String,
    /// HTML.
    pub content: String,
    /// Names, each once.
    pub tags: Vec<String>,
    /// Who can see it.
    pub status: Status,
    /// How often it was read.
    pub view_count: i64,
    /// A picture for lists.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
    /// The author's picture.
    pub avatar_url: Option<String>,
    /// Nothing says when it was written: the times are those of the import.
    pub is_undated: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed; not before it was written.
    pub updated_at: Timestamp,
    /// When readers could first see it: always there for what is published.
    pub published_at: Option<Timestamp>,
}

/// Something that was changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Adjustment {
    /// It had no address: made from the title.
    SlugDerived,
    /// Its address was none by the new rules: made from what it was.
    SlugCleaned,
}

impl Adjustment {
    const ALL: [Self; 2] = [Self::SlugDerived, Self::SlugCleaned];

    /// Whether `code` is one of these, and no reason to refuse.
    pub(in crate::import) fn is_code(code: &str) -> bool {
        Self::ALL
            .iter()
            .any(|adjustment| adjustment.as_str() == code)
    }

    /// The code of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SlugDerived => "slug_derived",
            Self::SlugCleaned => "slug_cleaned",
        }
    }
}

impl Blog {
    /// Reads a row; `now` is when it was written where nothing says so.
    pub(super) fn read(record: &Record<'_>, now: Timestamp) -> Result<Self, Refusal> {
        let id = record.cell("id");
        let Some(number) = id.integer()?.filter(|number| (1..=MAX_ID).contains(number)) else {
            return id.refuse(Reason::BadId);
        };
        let title_cell = record.cell("title");
        let Some(title) = title_cell.line(post::MAX_TITLE_LEN)? else {
            return title_cell.refuse(Reason::MissingTitle);
        };
        let author_cell = record.cell("author");
        let Some(author) = author_cell.line(author::MAX_NAME_LEN)? else {
            return author_cell.refuse(Reason::MissingAuthor);
        };
        let content_cell = record.cell("content");
        let content = content_cell.text()?.unwrap_or_default().into_owned();
        if content.trim().is_empty() {
            return content_cell.refuse(Reason::MissingContent);
        }
        if content.chars().count() > post::MAX_CONTENT_LEN {
            return content_cell.refuse(Reason::TooLong);
        }
        let views = record.cell("view_count");
        let view_count = views.integer()?.unwrap_or(0);
        if view_count < 0 {
            return views.refuse(Reason::Negative);
        }
        let status = status(record)?;
        let published_at = record.cell("published_at").date()?;
        let date = record.cell("date").date()?;
        let created_at = record.cell("created_at").date()?;
        let written_at = created_at.or(date).or(published_at);
        let created_at = written_at.unwrap_or(now);
        let updated_at = record.cell("updated_at").date()?.unwrap_or(created_at);
        let (slug, adjustments) = slug(record, &title)?;
        Ok(Self {
            id: number,
            slug,
            adjustments,
            title,
            author,
            content,
            tags: record.cell("tags").tags()?,
            status,
            view_count,
            image_url: record.cell("image").line(MAX_URL_LEN)?,
            meta_description: record
                .cell("meta_description")
                .line(post::MAX_META_DESCRIPTION_LEN)?,
            avatar_url: record.cell("avatar").line(MAX_URL_LEN)?,
            is_undated: written_at.is_none(),
            created_at,
            // Nothing is changed before it is written: the schema holds to that, the old file need not.
            updated_at: updated_at.max(created_at),
            published_at: published_at
                .or_else(|| (status == Status::Published).then_some(created_at)),
        })
    }
}

/// In any case; or 1 for published and 0 for a draft; a draft where nothing is said.
fn status(record: &Record<'_>) -> Result<Status, Refusal> {
    let cell = record.cell("status");
    let text = cell.text()?.unwrap_or_default();
    match text.trim().to_lowercase().as_str() {
        "" | "0" | "draft" => Ok(Status::Draft),
        "1" | "published" => Ok(Status::Published),
        "archived" => Ok(Status::Archived),
        _ => cell.refuse(Reason::UnknownStatus),
    }
}

fn slug(record: &Record<'_>, title: &str) -> Result<(Slug, Vec<Adjustment>), Refusal> {
    let text = record.cell("slug").text()?.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Ok((
            Slug::from_title(title, "post"),
            vec![Adjustment::SlugDerived],
        ));
    }
    Ok(match Slug::parse(text) {
        Ok(slug) => (slug, Vec::new()),
        Err(_) => (
            Slug::from_title(text, "post"),
            vec![Adjustment::SlugCleaned],
        ),
    })
}
