//! Tags and authors, with how many posts a reader finds under each.

use actix_web::{HttpRequest, HttpResponse, web};
use prepnexus_domain::{Author, Tag};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{auth, etag, params::QueryParams, session},
    openapi::ReadErrors,
    problem::{Code, Problem},
    state::AppState,
};

/// All tags.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TagList {
    /// The tags, the fullest first.
    data: Vec<Tag>,
}

/// All authors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthorList {
    /// The authors, by name.
    data: Vec<Author>,
}

/// All tags that published posts carry, the fullest first.
#[utoipa::path(
    get, path = "/api/v1/tags", tag = "Tags and authors",
    responses(
        (status = 200, description = "The tags", body = TagList, headers(("ETag" = String))),
        (status = 304, description = "They are as the ETag in `If-None-Match` says"),
        ReadErrors
    )
)]
pub(crate) async fn list_tags(
    request: HttpRequest,
    state: web::ThinData<AppState>,
) -> Result<HttpResponse, Problem> {
    QueryParams::of(&request, &[])?.finish()?;
    let session = session::begin(&request, &state)?;
    auth::viewer(&request, &state, &session).await?;
    let data = state.content.list_tags(&session).await?;
    respond(&request, &TagList { data })
}

/// All authors of published posts, by name.
#[utoipa::path(
    get, path = "/api/v1/authors", tag = "Tags and authors",
    responses(
        (status = 200, description = "The authors", body = AuthorList, headers(("ETag" = String))),
        (status = 304, description = "They are as the ETag in `If-None-Match` says"),
        ReadErrors
    )
)]
pub(crate) async fn list_authors(
    request: HttpRequest,
    state: web::ThinData<AppState>,
) -> Result<HttpResponse, Problem> {
    QueryParams::of(&request, &[])?.finish()?;
    let session = session::begin(&request, &state)?;
    auth::viewer(&request, &state, &session).await?;
    let data = state.content.list_authors(&session).await?;
    respond(&request, &AuthorList { data })
}

fn respond(request: &HttpRequest, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = to_json(body)?;
    let etag = etag::of_bytes(&body);
    Ok(etag::respond(request, &etag, body.into(), true))
}

/// The body's bytes.
pub(crate) fn to_json(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(body).map_err(|error| {
        Problem::new(Code::Internal, "The answer could not be written.")
            .with_internal(error.to_string())
    })
}
