//! A page of posts.

use std::fmt::Write as _;

use prepnexus_domain::{Invalid, ListQuery, PostSummary};
use prepnexus_storage::{ReadConn, posts};

use crate::{
    change_tags::Dependencies,
    error::ContentError,
    gate::Class,
    ladder::{Asking, Draft, Outcome, Question},
};

/// Asks for a page of the published posts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageQuestion {
    /// Which list; its own cursor is not looked at.
    pub query: ListQuery,
    /// The text that a former page gave for the next or the one before.
    pub cursor: Option<String>,
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

impl Question for PageQuestion {
    type Found = PostPage;

    fn kind(&self) -> &'static str {
        let query = &self.query;
        match (query.text.is_some(), query.include_total) {
            (false, false) => "posts.list",
            (true, false) => "posts.search",
            (_, true) => "posts.count",
        }
    }

    fn class(&self) -> Class {
        if self.query.text.is_some() || self.query.include_total {
            Class::Bulk
        } else {
            Class::Read
        }
    }

    fn key(&self) -> String {
        let query = &self.query;
        let mut key = format!("posts?limit={}&sort={}", query.limit, query.sort.as_str());
        let mut push = |name: &str, value: &str| {
            // Lengths keep apart what a text holds and what comes after it.
            write!(key, "&{name}={}:{value}", value.len())
                .expect("writing to a String never fails");
        };
        for (name, value) in [
            ("tag", &query.tag),
            ("author", &query.author),
            ("q", &query.text),
            ("cursor", &self.cursor),
        ] {
            if let Some(value) = value {
                push(name, value);
            }
        }
        if query.include_total {
            push("total", "");
        }
        key
    }

    /// # Errors
    /// [`ContentError::Invalid`] for a cursor that is not ours or of another list.
    async fn find(
        &self,
        conn: &ReadConn,
        asking: Asking<'_>,
    ) -> Result<Draft<PostPage>, ContentError> {
        let signer = &asking.content.signers(conn).await?.cursors;
        let mut query = self.query.clone();
        query.cursor = None;
        if let Some(text) = &self.cursor {
            let cursor = signer.decode(text, &query);
            let cursor = cursor.map_err(|error| Invalid::one("/cursor", error.to_string()))?;
            query.cursor = Some(cursor);
        }
        let valid_until = posts::next_listed(conn, asking.now).await?;
        let page = posts::list(conn, &query, asking.now).await?;
        let encode = |cursor| signer.encode(&cursor, &query);
        let page = PostPage {
            next_cursor: page.next.map(encode),
            prev_cursor: page.prev.map(encode),
            items: page.items,
            total: page.total,
        };
        let dependencies = Dependencies::page(&query, &page.items);
        Ok(Draft {
            valid_until,
            is_rare: query.text.is_some(),
            ..Draft::new(Outcome::Found(page), dependencies)
        })
    }
}
