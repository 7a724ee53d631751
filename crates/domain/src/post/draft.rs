//! A whole post as an author sends it: the body of POST and PUT, and a line of a seed file.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    ContentFormat, MAX_CONTENT_LEN, MAX_EXCERPT_LEN, MAX_META_DESCRIPTION_LEN, MAX_TITLE_LEN,
    Status,
};
use crate::{
    author,
    fields::{self, Fields, Given, Invalid},
    slug::Slug,
    tag,
};

/// Who is to be named as the author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorInput {
    /// The name, white space folded.
    pub name: String,
    /// Where the author's picture is; `None` leaves what is known.
    pub avatar_url: Option<String>,
}

/// A valid post that is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostDraft {
    /// The address wanted; by default made from the title.
    pub slug: Option<Slug>,
    /// The title, on one line.
    pub title: String,
    /// A few sentences for lists; by default the beginning of the content.
    pub excerpt: Option<String>,
    /// What the author wrote.
    pub content: String,
    /// What it is written in.
    pub content_format: ContentFormat,
    /// Who can see it.
    pub status: Status,
    /// Who wrote it; by default the holder of the key.
    pub author: Option<AuthorInput>,
    /// Tag names, without doubles, in the author's order.
    pub tags: Vec<String>,
    /// A picture for lists and previews.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
    /// When readers can first see it.
    pub published_at: Option<Timestamp>,
}

impl PostDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`Invalid`] with every bad field: missing, of a wrong type, too long, unknown.
    pub fn from_json(body: &Value) -> Result<Self, Invalid> {
        let mut fields = Fields::of(body)?;
        let read = read_fields(&mut fields);
        let title = fields.required("title", title);
        let content = fields.required("content", content);
        fields.finish()?;
        // Both are there: `finish` reports a required field that is not.
        let (Some(title), Some(content)) = (title, content) else {
            return Err(Invalid::one("", "title and content are required"));
        };
        Ok(Self {
            title,
            content,
            slug: read.slug.value(),
            excerpt: read.excerpt.value(),
            content_format: read.content_format.value().unwrap_or_default(),
            status: read.status.value().unwrap_or_default(),
            author: read.author.value(),
            tags: read.tags.value().unwrap_or_default(),
            image_url: read.image_url.value(),
            meta_description: read.meta_description.value(),
            published_at: read.published_at.value(),
        })
    }
}

/// The fields that drafts and patches treat alike.
pub(super) struct ReadFields {
    pub(super) slug: Given<Slug>,
    pub(super) excerpt: Given<String>,
    pub(super) content_format: Given<ContentFormat>,
    pub(super) status: Given<Status>,
    pub(super) author: Given<AuthorInput>,
    pub(super) tags: Given<Vec<String>>,
    pub(super) image_url: Given<String>,
    pub(super) meta_description: Given<String>,
    pub(super) published_at: Given<Timestamp>,
}

pub(super) fn read_fields(fields: &mut Fields<'_>) -> ReadFields {
    ReadFields {
        slug: fields.read("slug", slug),
        excerpt: fields
            .read("excerpt", |v| fields::text(v, 0, MAX_EXCERPT_LEN))
            .filled(),
        content_format: fields.read("content_format", content_format),
        status: fields.read("status", status),
        author: fields.read("author", author_input),
        tags: read_tags(fields),
        image_url: fields.read("image_url", fields::url),
        meta_description: fields
            .read("meta_description", |v| {
                fields::line(v, 0, MAX_META_DESCRIPTION_LEN)
            })
            .filled(),
        published_at: fields.read("published_at", fields::time),
    }
}

pub(super) fn title(value: &Value) -> Result<String, String> {
    fields::line(value, 1, MAX_TITLE_LEN)
}

pub(super) fn content(value: &Value) -> Result<String, String> {
    let content = fields::text(value, 1, MAX_CONTENT_LEN)?;
    if content.trim().is_empty() {
        Err("must not be empty".into())
    } else {
        Ok(content)
    }
}

fn slug(value: &Value) -> Result<Slug, String> {
    let text = value.as_str().ok_or("must be a string")?;
    Slug::parse(text).map_err(|error| error.to_string())
}

fn status(value: &Value) -> Result<Status, String> {
    value
        .as_str()
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| super::status::UnknownStatus.to_string())
}

fn content_format(value: &Value) -> Result<ContentFormat, &'static str> {
    value
        .as_str()
        .and_then(ContentFormat::from_name)
        .ok_or("must be markdown or html")
}

/// A name, or an object with a name and perhaps a picture.
fn author_input(value: &Value) -> Result<AuthorInput, String> {
    const WANTED: &str = "must be a name, or an object with \"name\" and perhaps \"avatar_url\"";
    let name = |value: &Value| {
        fields::line(value, 1, author::MAX_NAME_LEN).map(|name| fields::fold_white_space(&name))
    };
    match value {
        Value::String(_) => Ok(AuthorInput {
            name: name(value)?,
            avatar_url: None,
        }),
        Value::Object(object) => {
            if let Some(other) = object
                .keys()
                .find(|k| !["name", "avatar_url"].contains(&k.as_str()))
            {
                return Err(format!("{WANTED}, not {other:?}"));
            }
            let avatar_url = match object.get("avatar_url") {
                None | Some(Value::Null) => None,
                Some(url) => Some(fields::url(url).map_err(|e| format!("avatar_url {e}"))?),
            };
            let given = object.get("name").ok_or(WANTED)?;
            Ok(AuthorInput {
                name: name(given).map_err(|e| format!("name {e}"))?,
                avatar_url,
            })
        }
        _ => Err(WANTED.into()),
    }
}

/// Tags have faults one by one, each with its own pointer.
fn read_tags(fields: &mut Fields<'_>) -> Given<Vec<String>> {
    let list = match fields.read("tags", |v| v.as_array().ok_or("must be a list of names")) {
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Value(list) => list,
    };
    if list.len() > tag::MAX_PER_POST {
        // Not read one by one: there may be a hundred thousand.
        let detail = format!("must have at most {} names", tag::MAX_PER_POST);
        fields.faults.add("/tags", detail);
        return Given::Absent;
    }
    let mut names: Vec<String> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let name =
            fields::line(value, 1, tag::MAX_NAME_LEN).map(|name| fields::fold_white_space(&name));
        if let Some(name) = fields.faults.take(&format!("/tags/{index}"), name)
            && !names
                .iter()
                .any(|known| known.to_lowercase() == name.to_lowercase())
        {
            names.push(name);
        }
    }
    Given::Value(names)
}

impl Given<String> {
    /// An empty text is no text.
    fn filled(self) -> Self {
        match self {
            Self::Value(text) if text.trim().is_empty() => Self::Null,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PostDraft, Status};

    #[test]
    fn a_title_and_content_are_enough() {
        let draft = PostDraft::from_json(&json!({"title": " A ", "content": "b"})).unwrap();
        assert_eq!((draft.title.as_str(), draft.status), ("A", Status::Draft));
    }

    #[test]
    fn doubled_tags_are_one_and_white_space_is_folded() {
        let body = json!({"title": "A", "content": "b", "tags": ["System  Design", "system design", "SQL"], "author": " Ada   L "});
        let draft = PostDraft::from_json(&body).unwrap();
        assert_eq!(draft.tags, ["System Design", "SQL"]);
        assert_eq!(draft.author.unwrap().name, "Ada L");
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let body = json!({
            "title": 7, "content": "a\0b", "slug": "Not A Slug", "status": "live", "content_format": "rtf",
            "author": {"nom": "x"}, "tags": ["ok", "", 3], "image_url": "javascript:x", "published_at": "soon",
            "meta_description": "x".repeat(321), "excerpt": 1, "a/b~": null,
        });
        let invalid = PostDraft::from_json(&body).unwrap_err();
        let mut pointers: Vec<_> = invalid
            .errors()
            .iter()
            .map(|e| e.pointer.as_str())
            .collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/author",
                "/a~1b~0",
                "/content",
                "/content_format",
                "/excerpt",
                "/image_url",
                "/meta_description",
                "/published_at",
                "/slug",
                "/status",
                "/tags/1",
                "/tags/2",
                "/title"
            ],
        );
    }

    #[test]
    fn more_than_twenty_tags_are_one_fault() {
        let tags = vec!["a"; 21];
        let body = json!({"title": "A", "content": "b", "tags": tags});
        let invalid = PostDraft::from_json(&body).unwrap_err();
        assert_eq!(invalid.errors().len(), 1);
        assert_eq!(invalid.errors()[0].pointer, "/tags");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in [json!(null), json!([]), json!("x"), json!(1)] {
            assert!(PostDraft::from_json(&body).is_err());
        }
    }
}
