//! The shapes of what clients send. Reading and checking is the domain's; these describe it.

use prepnexus_domain::{ContentFormat, Status};
use utoipa::ToSchema;

macro_rules! shape {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its shape is read, by the derive")]
        pub(crate) struct $name { $($(#[$field_meta])* $field: $type,)* }
    )*};
}

shape! {
    /// A post as an author sends it.
    PostInput {
        /// The title, on one line.
        #[schema(min_length = 1, max_length = 300, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$", example = "Hash tables in interviews")]
        title: String,
        /// What the post says.
        #[schema(min_length = 1, max_length = 500000, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "## Why\n\nBecause.")]
        content: String,
        /// What `content` is written in.
        #[schema(default = "markdown")]
        content_format: Option<ContentFormat>,
        /// The address; by default made from the title.
        #[schema(max_length = 120, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$")]
        slug: Option<String>,
        /// A few sentences for lists; by default the beginning of the content.
        #[schema(max_length = 1000, pattern = r"^[^\u0000]*$")]
        excerpt: Option<String>,
        /// Who can see it.
        #[schema(default = "draft")]
        status: Option<Status>,
        /// Who wrote it: a name, or a name and a picture. By default the name of the key; with PUT
        /// whoever it was.
        author: Option<AuthorInput>,
        /// Tag names; tags that are not there yet are made.
        #[schema(max_items = 20, example = json!(["Databases", "SQL"]))]
        tags: Option<Vec<TagName>>,
        /// A picture.
        #[schema(min_length = 1, max_length = 2000, pattern = r"^(https?://[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*|/|/[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*)$")]
        image_url: Option<String>,
        /// The description for search engines.
        #[schema(max_length = 320, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
        meta_description: Option<String>,
        /// When readers can first see it: required, and in the future, for `scheduled`; by default
        /// now for `published`.
        #[schema(format = DateTime)]
        published_at: Option<String>,
    }
    /// A change of a post, as a JSON merge patch (RFC 7396): an absent field stays as it is, null
    /// clears one that may be empty.
    PostChange {
        /// A new title.
        #[schema(min_length = 1, max_length = 300, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$", nullable = false)]
        title: Option<String>,
        /// New content.
        #[schema(min_length = 1, max_length = 500000, pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", nullable = false)]
        content: Option<String>,
        /// What `content` is written in.
        #[schema(nullable = false)]
        content_format: Option<ContentFormat>,
        /// A new address; null makes one from the title. The old one redirects for ever.
        #[schema(max_length = 120, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$")]
        slug: Option<String>,
        /// A new excerpt; null takes the beginning of the content.
        #[schema(max_length = 1000, pattern = r"^[^\u0000]*$")]
        excerpt: Option<String>,
        /// Who can see it.
        #[schema(nullable = false)]
        status: Option<Status>,
        /// Who wrote it.
        #[schema(nullable = false)]
        author: Option<AuthorInput>,
        /// Tag names, in place of all the old ones.
        #[schema(max_items = 20, nullable = false)]
        tags: Option<Vec<TagName>>,
        /// A new picture.
        #[schema(min_length = 1, max_length = 2000, pattern = r"^(https?://[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*|/|/[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*)$")]
        image_url: Option<String>,
        /// A new description for search engines.
        #[schema(max_length = 320, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
        meta_description: Option<String>,
        /// When readers can first see it.
        #[schema(format = DateTime)]
        published_at: Option<String>,
    }
}

/// The name of a tag.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 60,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)]
#[expect(dead_code, reason = "only its shape is read, by the derive")]
pub(crate) struct TagName(String);

/// The name of an author.
#[derive(ToSchema)]
#[schema(
    min_length = 1,
    max_length = 120,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)]
#[expect(dead_code, reason = "only its shape is read, by the derive")]
pub(crate) struct AuthorName(String);

/// An author by name. One who is not there yet is made.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape is read, by the derive")]
pub(crate) enum AuthorInput {
    /// The name alone.
    Name(AuthorName),
    /// A name and a picture.
    WithPicture(NamedAuthor),
}

/// A name and a picture.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is read, by the derive")]
pub(crate) struct NamedAuthor {
    /// The name.
    name: AuthorName,
    /// Where the picture is.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"^(https?://[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*|/|/[^\s/\u0000-\u001f\u007f-\u009f][^\s\u0000-\u001f\u007f-\u009f]*)$"
    )]
    avatar_url: Option<String>,
}

/// An order of posts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its shape is read, by the derive")]
pub(crate) enum Sort {
    /// Newest first.
    #[serde(rename = "-published_at")]
    Newest,
    /// Oldest first.
    #[serde(rename = "published_at")]
    Oldest,
    /// Most read first.
    #[serde(rename = "-view_count")]
    MostViewed,
    /// By title, without case.
    #[serde(rename = "title")]
    Title,
}

/// A field of a post in a list.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its shape is read, by the derive")]
pub(crate) enum ListField {
    Id,
    Slug,
    Title,
    Excerpt,
    ContentFormat,
    Status,
    Author,
    Tags,
    ImageUrl,
    MetaDescription,
    ReadingTimeMinutes,
    ViewCount,
    Revision,
    CreatedAt,
    UpdatedAt,
    PublishedAt,
}
