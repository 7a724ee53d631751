//! Tags and authors, with how many posts a reader finds under each.

use actix_web::{HttpRequest, HttpResponse, web};
use prepnexus_content::{AuthorsQuestion, ContentError, Reader, Representation, TagsQuestion};
use prepnexus_domain::{Author, Tag};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{answer, auth, params::QueryParams, session},
    openapi::ReadErrors,
    problem::Problem,
    state::AppState,
};

/// All tags.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TagList<'a> {
    /// The tags, the fullest first.
    data: &'a [Tag],
}

/// All authors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthorList<'a> {
    /// The authors, by name.
    data: &'a [Author],
}

/// All tags that published posts carry, the fullest first.
#[utoipa::path(
    get, path = "/api/v1/tags", tag = "Tags and authors",
    responses(
        (status = 200, description = "The tags", body = TagList<'_>, headers(("ETag" = String))),
        (status = 304, description = "They are as the ETag in `If-None-Match` says"),
        ReadErrors
    )
)]
pub(crate) async fn list_tags(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    QueryParams::of(&request, &[])?.finish()?;
    let session = session::begin(&request, &state)?;
    let viewer = auth::viewer(&request, &state, &session).await?;
    let reader = Reader {
        viewer: viewer.as_ref(),
        session: &session,
    };
    let tags = |tags: &Vec<Tag>| json(&TagList { data: tags }, String::new());
    let answering = state.content.answer(TagsQuestion, JSON, reader, tags);
    Ok(answer::respond(&request, &answering.await?, ""))
}

/// All authors of published posts, by name.
#[utoipa::path(
    get, path = "/api/v1/authors", tag = "Tags and authors",
    responses(
        (status = 200, description = "The authors", body = AuthorList<'_>, headers(("ETag" = String))),
        (status = 304, description = "They are as the ETag in `If-None-Match` says"),
        ReadErrors
    )
)]
pub(crate) async fn list_authors(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    QueryParams::of(&request, &[])?.finish()?;
    let session = session::begin(&request, &state)?;
    let viewer = auth::viewer(&request, &state, &session).await?;
    let reader = Reader {
        viewer: viewer.as_ref(),
        session: &session,
    };
    let authors = |authors: &Vec<Author>| json(&AuthorList { data: authors }, String::new());
    let answering = state.content.answer(AuthorsQuestion, JSON, reader, authors);
    Ok(answer::respond(&request, &answering.await?, ""))
}

/// Names the view in the cache.
pub(crate) const JSON: &str = "json";

/// The body's bytes, and the neighbours of what is in a list.
pub(crate) fn json(body: &impl Serialize, link: String) -> Result<Representation, ContentError> {
    let body = serde_json::to_vec(body)?;
    Ok(Representation { body, link })
}
