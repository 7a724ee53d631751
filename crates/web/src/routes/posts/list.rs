//! Pages of posts.

use std::{borrow::Cow, fmt::Write};

use actix_web::{HttpRequest, HttpResponse, web};
use prepnexus_content::{ContentError, ListQuery, PageQuestion, PostPage, Reader, Representation};
use prepnexus_domain::{PostSummary, Slug, SortOrder};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{Ref, RefOr, Schema, schema::AnyOfBuilder},
};

use crate::{
    http::{answer, auth, params::QueryParams, session},
    openapi::{ListErrors, ListField, Sort},
    problem::Problem,
    routes::lists::{JSON, json},
    state::AppState,
};

const PARAMS: [&str; 8] = [
    "limit",
    "cursor",
    "tag",
    "author",
    "q",
    "sort",
    "fields",
    "include_total",
];
const PATH: &str = "/api/v1/posts";
const MAX_TEXT_LEN: usize = 200;
/// The fields of a list item, for the parameter `fields`.
const FIELDS: [&str; 16] = [
    "id",
    "slug",
    "title",
    "excerpt",
    "content_format",
    "status",
    "author",
    "tags",
    "image_url",
    "meta_description",
    "reading_time_minutes",
    "view_count",
    "revision",
    "created_at",
    "updated_at",
    "published_at",
];

/// A page of posts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostList<'a> {
    /// The posts, without `content` and `html`.
    data: &'a [PostSummary],
    /// Where in the list this is.
    page: PageInfo,
}

/// Where in a list a page is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PageInfo {
    /// The most items the page may have.
    limit: u16,
    /// Send it as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
    /// Send it as `cursor` for the page before; null on the first.
    prev_cursor: Option<String>,
    /// How many posts all pages have, where `include_total` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<i64>,
}

/// A page with some fields of each post alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartialPostList {
    /// The posts, with the fields that the parameter `fields` names.
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    /// Where in the list this is.
    page: PageInfo,
}

/// Either kind of page. A whole one is also a partial one, which no derived schema says.
pub(crate) struct ListBody;

impl utoipa::PartialSchema for ListBody {
    fn schema() -> RefOr<Schema> {
        let of = Ref::from_schema_name;
        let either = AnyOfBuilder::new();
        let either = either.item(of("PostList")).item(of("PartialPostList"));
        RefOr::T(either.build().into())
    }
}

impl ToSchema for ListBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            schemas.push((T::name().into_owned(), T::schema()));
        }
        add::<PostList<'_>>(schemas);
        add::<PartialPostList>(schemas);
        PostList::<'_>::schemas(schemas);
    }
}

/// Published posts in pages, newest first unless `sort` says otherwise.
#[utoipa::path(
    get, path = "/api/v1/posts", tag = "Posts",
    params(
        ("limit" = Option<u16>, Query, description = "The most posts on the page", minimum = 1, maximum = 100, example = 20),
        ("cursor" = Option<String>, Query, description = "`next_cursor` or `prev_cursor` of a page of the same list", pattern = "^[A-Za-z0-9_-]+$"),
        ("tag" = Option<String>, Query, description = "Only posts under the tag of this slug", max_length = 120, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "databases"),
        ("author" = Option<String>, Query, description = "Only posts by the author of this slug", max_length = 120, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"),
        ("q" = Option<String>, Query, description = "Only posts with these words; quotes, `or` and `-` as in search engines. Empty: all", max_length = 200, pattern = r"^[^\u0000]*$"),
        ("sort" = Option<Sort>, Query, description = "The order: `-published_at` (default), `published_at`, `-view_count` or `title`"),
        ("fields" = Option<Vec<ListField>>, Query, style = Form, explode = false, description = "Only these fields of each post, separated by commas"),
        ("include_total" = Option<bool>, Query, description = "Whether to count all posts of the list: it costs"),
    ),
    responses(
        (status = 200, description = "A page; `Link` names its neighbours", body = ListBody, headers(("ETag" = String))),
        (status = 304, description = "It is as the ETag in `If-None-Match` says"),
        ListErrors
    )
)]
pub(crate) async fn list_posts(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let mut params = QueryParams::of(&request, &PARAMS)?;
    let query = read_query(&mut params);
    let fields = params.parse("fields", read_fields);
    let cursor = params.get("cursor").map(str::to_owned);
    let kept = params.encoded_without("cursor");
    params.finish()?;
    let session = session::begin(&request, &state)?;
    let viewer = auth::viewer(&request, &state, &session).await?;
    let reader = Reader {
        viewer: viewer.as_ref(),
        session: &session,
    };
    let view = match &fields {
        Some(fields) => format!("{JSON}:{}", fields.join(",")).into(),
        None => Cow::from(JSON),
    };
    let (limit, question) = (query.limit, PageQuestion { query, cursor });
    let render = move |page: &PostPage| render(page, limit, fields.as_deref(), &kept);
    let answering = state.content.answer(question, &view, reader, render);
    Ok(answer::respond(&request, &answering.await?, ""))
}

fn read_query(params: &mut QueryParams) -> ListQuery {
    let slug = |text: &str| Slug::parse(text).map(Slug::into_string);
    ListQuery {
        limit: params
            .parse("limit", read_limit)
            .unwrap_or(ListQuery::DEFAULT_LIMIT),
        sort: params
            .parse("sort", str::parse::<SortOrder>)
            .unwrap_or_default(),
        tag: params.parse("tag", slug),
        author: params.parse("author", slug),
        text: params
            .parse("q", read_text)
            .filter(|words| !words.trim().is_empty()),
        cursor: None,
        include_total: params.parse("include_total", read_bool).unwrap_or(false),
    }
}

pub(super) fn read_limit(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|_| digits)
        .filter(|limit| (1..=ListQuery::MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number from 1 to {}", ListQuery::MAX_LIMIT))
}

fn read_bool(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

fn read_text(text: &str) -> Result<String, String> {
    if text.chars().count() > MAX_TEXT_LEN {
        return Err(format!("must have at most {MAX_TEXT_LEN} characters"));
    }
    Ok(text.to_owned())
}

fn read_fields(text: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !FIELDS.contains(&name.as_str())) {
        Some(unknown) => Err(format!(
            "names {unknown:?}, which is none of {}",
            FIELDS.join(", ")
        )),
        None => {
            // One order, so that one answer is kept for all that ask for the same.
            names.sort_unstable();
            names.dedup();
            Ok(names)
        }
    }
}

fn render(
    page: &PostPage,
    limit: u16,
    fields: Option<&[String]>,
    kept: &str,
) -> Result<Representation, ContentError> {
    let link = link_header(kept, page);
    let info = PageInfo {
        limit,
        next_cursor: page.next_cursor.clone(),
        prev_cursor: page.prev_cursor.clone(),
        total: page.total,
    };
    let Some(fields) = fields else {
        let data = &page.items;
        return json(&PostList { data, page: info }, link);
    };
    let data = page.items.iter().map(|item| only(item, fields)).collect();
    json(&PartialPostList { data, page: info }, link)
}

fn only(item: &PostSummary, fields: &[String]) -> Value {
    match serde_json::to_value(item) {
        Ok(Value::Object(all)) => all
            .into_iter()
            .filter(|(name, _)| fields.contains(name))
            .collect::<Map<_, _>>()
            .into(),
        other => other.unwrap_or_default(),
    }
}

/// RFC 8288: the neighbours of this page, by the same address with another cursor.
fn link_header(kept: &str, page: &PostPage) -> String {
    let mut link = String::new();
    for (relation, cursor) in [("next", &page.next_cursor), ("prev", &page.prev_cursor)] {
        if let Some(cursor) = cursor {
            let separator = if link.is_empty() { "" } else { ", " };
            let and = if kept.is_empty() { "" } else { "&" };
            write!(
                link,
                "{separator}<{PATH}?{kept}{and}cursor={cursor}>; rel=\"{relation}\""
            )
            .expect("writing to a String never fails");
        }
    }
    link
}
