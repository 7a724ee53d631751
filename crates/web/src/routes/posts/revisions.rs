//! What a post was before each edit, and going back to it.

use actix_web::{HttpRequest, HttpResponse, web};
use prepnexus_content::{
    ContentError, History, HistoryQuestion, ListQuery, Reader, Representation, RevisionQuestion,
};
use prepnexus_domain::{Post, Revision, RevisionSummary};
use serde::Serialize;
use utoipa::ToSchema;

use super::{list::read_limit, write};
use crate::{
    http::{
        answer, auth, etag, idempotency,
        params::{self, QueryParams},
        session,
    },
    openapi::{RestoreErrors, RevisionErrors},
    problem::Problem,
    routes::lists::{JSON, json},
    state::AppState,
};

/// Some of what a post was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevisionList<'a> {
    /// The revisions, the last first, without `content`.
    data: &'a [RevisionSummary],
    /// Where in the history this is.
    page: HistoryInfo,
}

/// Where in a history a page is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryInfo {
    /// The most revisions the page may have.
    limit: u16,
    /// Send it as `before` for the next page; null on the last.
    next_before: Option<i32>,
}

/// What a post was before each edit, the last first; also of a post that was deleted, for editors. What it is now is not among them.
#[utoipa::path(
    get, path = "/api/v1/posts/{id}/revisions", tag = "Posts",
    params(
        ("id" = i64, Path, description = "The post's number", minimum = 1),
        ("limit" = Option<u16>, Query, description = "The most revisions on the page", minimum = 1, maximum = 100, example = 20),
        ("before" = Option<i32>, Query, description = "Only what was before this revision: `next_before` of the page before", minimum = 1),
    ),
    responses(
        (status = 200, description = "The revisions; `Link` names the next page", body = RevisionList<'_>, headers(("ETag" = String))),
        (status = 304, description = "They are as the ETag in `If-None-Match` says"),
        RevisionErrors
    ),
    security(("key" = []))
)]
pub(crate) async fn list_revisions(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let post_id = params::id(&request)?;
    let mut params = QueryParams::of(&request, &["limit", "before"])?;
    let limit = params
        .parse("limit", read_limit)
        .unwrap_or(ListQuery::DEFAULT_LIMIT);
    let before = params.parse("before", read_before);
    let kept = params.encoded_without("before");
    params.finish()?;
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    let question = HistoryQuestion {
        post_id,
        before,
        limit,
        key: key.clone(),
    };
    let reader = Reader {
        viewer: Some(&key),
        session: &session,
    };
    let render = move |history: &History| render(history, post_id, limit, &kept);
    let answering = state.content.answer(question, JSON, reader, render);
    Ok(answer::respond(&request, &answering.await?, ""))
}

/// What a post was at a revision that is not its present one.
#[utoipa::path(
    get, path = "/api/v1/posts/{id}/revisions/{revision}", tag = "Posts",
    params(
        ("id" = i64, Path, description = "The post's number", minimum = 1),
        ("revision" = i32, Path, description = "The revision", minimum = 1),
    ),
    responses(
        (status = 200, description = "What it was", body = Revision, headers(("ETag" = String))),
        (status = 304, description = "It is as the ETag in `If-None-Match` says"),
        RevisionErrors
    ),
    security(("key" = []))
)]
pub(crate) async fn get_revision(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let (post_id, revision) = (params::id(&request)?, params::revision(&request)?);
    QueryParams::of(&request, &[])?.finish()?;
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    let question = RevisionQuestion {
        post_id,
        revision,
        key: key.clone(),
    };
    let reader = Reader {
        viewer: Some(&key),
        session: &session,
    };
    let render = |revision: &Revision| json(revision, String::new());
    let answering = state.content.answer(question, JSON, reader, render);
    Ok(answer::respond(&request, &answering.await?, ""))
}

/// Gives a post back what it said at a former revision: title, excerpt, content, tags, picture and description. Its author, and who can
/// see it from when, stay as they are; so does its address, unless it was made from the title. It is an edit as any other: what the post
/// says now is kept as well.
#[utoipa::path(
    post, path = "/api/v1/posts/{id}/revisions/{revision}/restore", tag = "Posts",
    params(
        ("id" = i64, Path, description = "The post's number", minimum = 1),
        ("revision" = i32, Path, description = "The revision to go back to", minimum = 1),
        ("If-Match" = String, Header, description = "The ETag of the post as the client last read it, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request", min_length = 1, max_length = 255),
    ),
    responses(
        (status = 200, description = "The post as it is now", body = Post, headers(("ETag" = String))),
        RestoreErrors
    ),
    security(("key" = []))
)]
pub(crate) async fn restore_revision(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    let (post_id, revision) = (params::id(&request)?, params::revision(&request)?);
    let condition = etag::precondition(&request)?;
    let name = idempotency::name(&request, &[])?;
    let writer = write::writer(&key, &name, &session);
    let written = state
        .content
        .restore_post(writer, post_id, condition, revision)
        .await;
    let written = idempotency::resolvable(written, &name)?;
    write::answer(HttpResponse::Ok(), &written)
}

fn read_before(text: &str) -> Result<i32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let revision = text.parse().ok().filter(|revision| digits && *revision > 0);
    revision.ok_or_else(|| format!("must be a whole number from 1 to {}", i32::MAX))
}

fn render(
    history: &History,
    post_id: i64,
    limit: u16,
    kept: &str,
) -> Result<Representation, ContentError> {
    let and = if kept.is_empty() { "" } else { "&" };
    let next = history.next_before.map(|before| {
        format!("</api/v1/posts/{post_id}/revisions?{kept}{and}before={before}>; rel=\"next\"")
    });
    let page = HistoryInfo {
        limit,
        next_before: history.next_before,
    };
    let data = &history.items;
    json(&RevisionList { data, page }, next.unwrap_or_default())
}
