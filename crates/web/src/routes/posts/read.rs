//! One post.

use actix_web::{HttpRequest, HttpResponse, web};
use prepnexus_content::{PostQuestion, Reader};
use prepnexus_domain::Post;

use crate::{
    http::{answer, audience, auth, params, session},
    openapi::PostErrors,
    problem::Problem,
    routes::lists::{JSON, json},
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
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let id = params::id(&request)?;
    answer(&request, &state, PostQuestion::Id(id)).await
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
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let slug = request.match_info().query("slug").to_owned();
    answer(&request, &state, PostQuestion::Slug(slug)).await
}

async fn answer(
    request: &HttpRequest,
    state: &AppState,
    question: PostQuestion,
) -> Result<HttpResponse, Problem> {
    let session = session::begin(request, state)?;
    let viewer = auth::viewer(request, state, &session).await?;
    let reader = Reader {
        viewer: viewer.as_ref(),
        session: &session,
    };
    let json = |post: &Post| json(post, String::new());
    let answer = state.content.answer(question, JSON, reader, json).await?;
    // An author who looks at his own post is no reader of it.
    if viewer.is_none()
        && let Some(version) = answer.version()
        && audience::is_reader(request)
    {
        state.content.count_view(version.post_id);
    }
    Ok(answer::respond(request, &answer, "/api/v1/posts/slug/"))
}
