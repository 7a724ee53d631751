//! Making, changing and deleting posts.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use prepnexus_content::{ApiKey, ContentError, IdempotencyKey, Session, Writer, Written};
use prepnexus_domain::{Post, PostDraft, PostPatch, Role};

use crate::{
    http::{auth, body, etag, idempotency, params, session},
    openapi::{ChangeErrors, CreateErrors, DeleteErrors, PostChange, PostInput},
    problem::{Code, Problem},
    state::AppState,
};

const JSON: &[&str] = &["application/json"];
const MERGE_PATCH: &[&str] = &["application/json", "application/merge-patch+json"];

/// Makes a post. Sent again with the same `Idempotency-Key` within 24 hours, it makes nothing and
/// gives the first answer.
#[utoipa::path(
    post, path = "/api/v1/posts", tag = "Posts",
    params(("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request", min_length = 1, max_length = 255)),
    request_body = PostInput,
    responses(
        (status = 201, description = "The new post", body = Post, headers(("Location" = String), ("ETag" = String))),
        CreateErrors
    ),
    security(("key" = []))
)]
pub(crate) async fn create_post(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    if key.role < Role::Author {
        return Err(Problem::new(
            Code::Forbidden,
            "The role of the key does not allow this.",
        ));
    }
    let body = body::json(&request, payload, JSON, &state, session.deadline()).await?;
    let draft = PostDraft::from_json(&body.value)?;
    let name = idempotency::name(&request, &body.bytes)?;
    let writer = writer(&key, &name, &session);
    let written = state.content.create_post(writer, draft).await;
    let written = idempotency::resolvable(written, &name)?;
    let location = format!("/api/v1/posts/{}", written.value.id);
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location));
    answer(response, &written)
}

/// Changes the fields that are sent, and no others.
#[utoipa::path(
    patch, path = "/api/v1/posts/{id}", tag = "Posts",
    params(
        ("id" = i64, Path, description = "The post's number", minimum = 1),
        ("If-Match" = String, Header, description = "The ETag of the post as the client last read it, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request", min_length = 1, max_length = 255),
    ),
    request_body(content(
        (PostChange = "application/json"),
        (PostChange = "application/merge-patch+json"),
    )),
    responses(
        (status = 200, description = "The post as it is now", body = Post, headers(("ETag" = String))),
        ChangeErrors
    ),
    security(("key" = []))
)]
pub(crate) async fn patch_post(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    let id = params::id(&request)?;
    let condition = etag::precondition(&request)?;
    let body = body::json(&request, payload, MERGE_PATCH, &state, session.deadline()).await?;
    let patch = PostPatch::from_json(&body.value)?;
    let name = idempotency::name(&request, &body.bytes)?;
    let writer = writer(&key, &name, &session);
    let written = state.content.patch_post(writer, id, condition, patch).await;
    let written = idempotency::resolvable(written, &name)?;
    answer(HttpResponse::Ok(), &written)
}

/// Replaces the post: what is not sent goes back to its default.
#[utoipa::path(
    put, path = "/api/v1/posts/{id}", tag = "Posts",
    params(
        ("id" = i64, Path, description = "The post's number", minimum = 1),
        ("If-Match" = String, Header, description = "The ETag of the post as the client last read it, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request", min_length = 1, max_length = 255),
    ),
    request_body = PostInput,
    responses(
        (status = 200, description = "The post as it is now", body = Post, headers(("ETag" = String))),
        ChangeErrors
    ),
    security(("key" = []))
)]
pub(crate) async fn put_post(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    let id = params::id(&request)?;
    let condition = etag::precondition(&request)?;
    let body = body::json(&request, payload, JSON, &state, session.deadline()).await?;
    let draft = PostDraft::from_json(&body.value)?;
    let name = idempotency::name(&request, &body.bytes)?;
    let writer = writer(&key, &name, &session);
    let written = state
        .content
        .replace_post(writer, id, condition, draft)
        .await;
    let written = idempotency::resolvable(written, &name)?;
    answer(HttpResponse::Ok(), &written)
}

/// Deletes the post. What it last was is kept in the database's history.
#[utoipa::path(
    delete, path = "/api/v1/posts/{id}", tag = "Posts",
    params(
        ("id" = i64, Path, description = "The post's number", minimum = 1),
        ("If-Match" = String, Header, description = "The ETag of the post as the client last read it, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "The client's name for this request", min_length = 1, max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), DeleteErrors),
    security(("key" = []))
)]
pub(crate) async fn delete_post(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(&request, &state)?;
    let key = auth::writer(&request, &state, &session).await?;
    let id = params::id(&request)?;
    let condition = etag::precondition(&request)?;
    let name = idempotency::name(&request, &[])?;
    let writer = writer(&key, &name, &session);
    let written = state.content.delete_post(writer, id, condition).await;
    let written = idempotency::resolvable(written, &name)?;
    let mut response = HttpResponse::NoContent();
    idempotency::mark(&mut response, &written);
    Ok(response.finish())
}

pub(super) fn writer<'a>(
    key: &'a ApiKey,
    idempotency: &'a IdempotencyKey,
    session: &'a Session,
) -> Writer<'a> {
    Writer {
        key,
        idempotency,
        session,
    }
}

/// The post as it is after a change.
pub(super) fn answer(
    mut response: actix_web::HttpResponseBuilder,
    written: &Written<Post>,
) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(&written.value).map_err(ContentError::from)?;
    idempotency::mark(&mut response, written);
    Ok(response
        .insert_header((header::ETAG, etag::of_post(written.value.revision, &body)))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(body))
}
