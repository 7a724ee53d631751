//! The names under which changes are recorded, and which answers depend on: both sides in one place.
//!
//! | name | changes with |
//! |---|---|
//! | `everything` | what is done to the tables by other programs, in bulk |
//! | `post:{id}` | anything that is shown of the post |
//! | `slug:{slug}` | which post is, or was, at the address |
//! | `tag:{slug}`, `author:{slug}` | what is shown of them with a post: name, picture |
//! | `posts`, `posts:tag:{slug}`, `posts:author:{slug}` | which posts are in the list, and where |
//! | `posts:title`, `posts:text` | the order by title; which posts have which words |
//! | `tags`, `authors` | the lists of all of them |

use std::collections::BTreeSet;

use jiff::Timestamp;
use prepnexus_domain::{AuthorRef, ListQuery, Post, PostSummary, SortOrder, Status, TagRef};
use prepnexus_storage::feed::Tag;

/// On what each answer depends.
const EVERYTHING: &str = "everything";

/// On what an answer depends.
#[derive(Debug, Clone)]
pub(crate) struct Dependencies(BTreeSet<Tag>);

impl Dependencies {
    /// On nothing but bulk changes.
    pub(crate) fn none() -> Self {
        Self(BTreeSet::from([Tag::new(EVERYTHING)]))
    }

    /// On the post of that number, whether it is there or not.
    pub(crate) fn post(id: i64) -> Self {
        Self::none().and(&format!("post:{id}"))
    }

    /// On what is at an address.
    pub(crate) fn slug(slug: &str) -> Self {
        Self::none().and(&format!("slug:{slug}"))
    }

    /// On all that is shown of a post.
    pub(crate) fn and_post(self, post: &Post) -> Self {
        self.and(&format!("post:{}", post.id))
            .and_names(&post.author, &post.tags)
    }

    /// On a page of posts.
    pub(crate) fn page(query: &ListQuery, items: &[PostSummary]) -> Self {
        let tag = query.tag.iter().map(|slug| format!("posts:tag:{slug}"));
        let author = query.author.iter();
        let author = author.map(|slug| format!("posts:author:{slug}"));
        let mut page = tag
            .chain(author)
            .fold(Self::none(), |all, one| all.and(&one));
        if query.tag.is_none() && query.author.is_none() {
            page = page.and("posts");
        }
        if query.sort == SortOrder::Title {
            page = page.and("posts:title");
        }
        if query.text.is_some() {
            page = page.and("posts:text");
        }
        items.iter().fold(page, |page, item| {
            page.and(&format!("post:{}", item.id))
                .and_names(&item.author, &item.tags)
        })
    }

    /// On the list of all tags.
    pub(crate) fn tags() -> Self {
        Self::none().and("tags")
    }

    /// On the list of all authors.
    pub(crate) fn authors() -> Self {
        Self::none().and("authors")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Tag> {
        self.0.iter().copied()
    }

    fn and(mut self, name: &str) -> Self {
        self.0.insert(Tag::new(name));
        self
    }

    fn and_names(self, author: &AuthorRef, tags: &[TagRef]) -> Self {
        let all = self.and(&format!("author:{}", author.slug));
        tags.iter()
            .fold(all, |all, tag| all.and(&format!("tag:{}", tag.slug)))
    }
}

/// What a change from `before` to `after` touches. One of the two is absent when a post is made or deleted.
pub(crate) fn of_change<'a>(before: Option<&'a Post>, after: Option<&'a Post>) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut touch = |name: String| names.insert(name);
    let (old, new) = (before.and_then(Listing::of), after.and_then(Listing::of));
    for post in [before, after].into_iter().flatten() {
        touch(format!("post:{}", post.id));
        if before.map(|post| &post.slug) != after.map(|post| &post.slug) {
            touch(format!("slug:{}", post.slug));
        }
    }
    let moved = old.as_ref().map(|old| old.at) != new.as_ref().map(|new| new.at);
    let both = || [&old, &new].into_iter().flatten();
    let has = |listing: &Option<Listing<'_>>, slug: &str| {
        listing
            .as_ref()
            .is_some_and(|listing| listing.tags.contains(slug))
    };
    for slug in both().flat_map(|listing| &listing.tags) {
        if moved || has(&old, slug) != has(&new, slug) {
            touch(format!("posts:tag:{slug}"));
            touch("tags".into());
        }
    }
    let changed = |of: fn(&Listing<'a>) -> &'a str| old.as_ref().map(of) != new.as_ref().map(of);
    if moved || changed(|listing| listing.author) {
        for listing in both() {
            touch(format!("posts:author:{}", listing.author));
            touch("authors".into());
        }
    }
    if moved {
        touch("posts".into());
    }
    if moved || changed(|listing| listing.title) {
        touch("posts:title".into());
    }
    if moved || changed(|l| l.title) || changed(|l| l.excerpt) || changed(|l| l.content) {
        touch("posts:text".into());
    }
    names.into_iter().collect()
}

/// What another picture of an author touches: it is on all of the author's posts.
pub(crate) fn of_author(author: &AuthorRef) -> [String; 2] {
    [format!("author:{}", author.slug), "authors".into()]
}

/// What lists depend on, of a post that is, or will be, in them.
struct Listing<'a> {
    at: Timestamp,
    title: &'a str,
    excerpt: &'a str,
    content: &'a str,
    author: &'a str,
    tags: BTreeSet<&'a str>,
}

impl<'a> Listing<'a> {
    fn of(post: &'a Post) -> Option<Self> {
        let is_listed = matches!(post.status, Status::Scheduled | Status::Published);
        Some(Self {
            at: post.published_at.filter(|_| is_listed)?,
            title: &post.title,
            excerpt: &post.excerpt,
            content: &post.content,
            author: &post.author.slug,
            tags: post.tags.iter().map(|tag| tag.slug.as_str()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use prepnexus_domain::{AuthorRef, ContentFormat, ListQuery, Post, SortOrder, Status, TagRef};
    use prepnexus_storage::feed::Tag;

    use super::{Dependencies, of_change};

    fn post() -> Post {
        let tag = |slug: &str| TagRef {
            slug: slug.into(),
            name: slug.into(),
        };
        Post {
            id: 1,
            slug: "a".into(),
            title: "A".into(),
            excerpt: "An A".into(),
            content: "Of As".into(),
            content_format: ContentFormat::Markdown,
            html: String::new(),
            status: Status::Published,
            author: AuthorRef {
                id: 1,
                slug: "ann".into(),
                name: "Ann".into(),
                avatar_url: None,
            },
            tags: vec![tag("x"), tag("y")],
            image_url: None,
            meta_description: None,
            reading_time_minutes: 1,
            view_count: 0,
            revision: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            published_at: Some(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_change_touches_what_shows_it_and_nothing_else() {
        let changed = |change: fn(&mut Post)| {
            let mut after = post();
            change(&mut after);
            of_change(Some(&post()), Some(&after)).join(" ")
        };
        let everywhere = "authors post:1 posts posts:author:ann posts:tag:x posts:tag:y posts:text posts:title tags";
        for (change, names) in [
            (
                (|post| post.image_url = Some("u".into())) as fn(&mut Post),
                "post:1",
            ),
            (|post| post.content = "New".into(), "post:1 posts:text"),
            (
                |post| (post.title, post.slug) = ("B".into(), "b".into()),
                "post:1 posts:text posts:title slug:a slug:b",
            ),
            (|post| post.tags.swap(0, 1), "post:1"),
            (
                |post| post.tags[0].slug = "z".into(),
                "post:1 posts:tag:x posts:tag:z tags",
            ),
            (
                |post| post.author.slug = "bob".into(),
                "authors post:1 posts:author:ann posts:author:bob",
            ),
            (|post| post.status = Status::Draft, everywhere),
            (|post| post.published_at = Some(Timestamp::MAX), everywhere),
        ] {
            assert_eq!(changed(change), names);
        }
    }

    #[test]
    fn one_that_is_in_no_list_touches_none() {
        let draft = Post {
            status: Status::Draft,
            ..post()
        };
        let edited = Post {
            title: "B".into(),
            tags: vec![],
            ..draft.clone()
        };
        assert_eq!(of_change(Some(&draft), Some(&edited)), ["post:1"]);
        assert_eq!(of_change(None, Some(&draft)), ["post:1", "slug:a"]);
        assert_eq!(of_change(Some(&draft), None), ["post:1", "slug:a"]);
    }

    #[test]
    fn a_page_depends_on_what_is_in_the_list_and_on_what_it_shows() {
        let on = |query: &ListQuery, name: &str| {
            let page = Dependencies::page(query, &[]);
            page.iter().any(|tag| tag == Tag::new(name))
        };
        let plain = ListQuery::default();
        assert!(on(&plain, "posts") && on(&plain, "everything"));
        assert!(!on(&plain, "posts:title") && !on(&plain, "posts:text"));
        let filtered = ListQuery {
            tag: Some("x".into()),
            author: Some("ann".into()),
            sort: SortOrder::Title,
            text: Some("tree".into()),
            ..plain
        };
        for name in [
            "posts:tag:x",
            "posts:author:ann",
            "posts:title",
            "posts:text",
        ] {
            assert!(on(&filtered, name), "{name}");
        }
        assert!(!on(&filtered, "posts"));
        let shown = Dependencies::post(1).and_post(&post());
        for name in ["post:1", "author:ann", "tag:x", "tag:y"] {
            assert!(shown.iter().any(|tag| tag == Tag::new(name)), "{name}");
        }
    }
}
