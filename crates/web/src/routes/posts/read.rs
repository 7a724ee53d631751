//! One post.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HttpDate},
    web,
};
use prepnexus_content::{Found, PostAddress};
use prepnexus_domain::Post;

use crate::{
    http::{auth, etag, params, session},
    openapi::PostErrors,
    problem::Problem,
    routes::lists::to_json,
    state::AppState,
};

/// One post by its number. Drafts need a key.
#[utoipa::path(
    get, path = "/api/v1/posts/{id}", tag = "Posts",
    params(("id" = i64, Path, description = "The post's number", minimum = 1)),
    responses(
        (status = 200, description = "The post", body = Post, headers(("ETag" = String), ("Last-Modified" = String))),
        (status = 304, description = "The post is as the ETag in `If-None-Match` says"),
        PostErrors
    ),
    security((), ("key" = []))
)]
pub(crate) async fn get_post(
    request: HttpRequest,
    state: web::ThinData<AppState>,
) -> Result<HttpResponse, Problem> {
    let id = params::id(&request)?;
    answer(&request, &state, PostAddress::Id(id)).await
}

/// One post by its address. A former address redirects to the present one.
#[utoipa::path(
    get, path = "/api/v1/posts/slug/{slug}", tag = "Posts",
    params(("slug" = String, Path, description = "The post's address, present or former")),
    responses(
        (status = 200, description = "The post", body = Post, headers(("ETag" = String), ("Last-Modified" = String))),
        (status = 301, description = "The post has another address now", headers(("Location" = String))),
        (status = 304, description = "The post is as the ETag in `If-None-Match` says"),
        PostErrors
    ),
    security((), ("key" = []))
)]
pub(crate) async fn get_post_by_slug(
    request: HttpRequest,
    state: web::ThinData<AppState>,
) -> Result<HttpResponse, Problem> {
    let slug = request.match_info().query("slug").to_owned();
    answer(&request, &state, PostAddress::Slug(&slug)).await
}

async fn answer(
    request: &HttpRequest,
    state: &AppState,
    address: PostAddress<'_>,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(request, state)?;
    let viewer = auth::viewer(request, state, &session).await?;
    match state
        .content
        .find_post(address, viewer.as_ref(), &session)
        .await?
    {
        Found::MovedTo(slug) => Ok(HttpResponse::MovedPermanently()
            .insert_header((header::LOCATION, format!("/api/v1/posts/slug/{slug}")))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .finish()),
        Found::Post { post, public } => {
            let body = to_json(&post)?;
            let tag = etag::of_post(post.revision, &body);
            let mut response =
                etag::respond(request, &tag, body.into(), public && viewer.is_none());
            if let Ok(value) = last_modified(&post).to_string().parse() {
                response.headers_mut().insert(header::LAST_MODIFIED, value);
            }
            Ok(response)
        }
    }
}

fn last_modified(post: &Post) -> HttpDate {
    std::time::SystemTime::from(post.updated_at).into()
}
