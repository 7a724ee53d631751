//! The OpenAPI document: every route, every field, every error answer.

mod consistency;
mod errors;
mod input;

pub(crate) use errors::{
    ChangeErrors, CreateErrors, DeleteErrors, FileErrors, ListErrors, MethodErrors, PostErrors,
    ReadErrors, RestoreErrors, RevisionErrors,
};
pub(crate) use input::{ListField, PostChange, PostInput, Sort};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use self::consistency::Tokens;
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "PrepNexus",
        description = "A blog and content backend. Errors are problem documents (RFC 9457); lists \
                       are paged by cursor; changes need the ETag of what they change.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        routes::posts::list::list_posts,
        routes::posts::write::create_post,
        routes::posts::read::get_post,
        routes::posts::read::get_post_by_slug,
        routes::posts::write::patch_post,
        routes::posts::write::put_post,
        routes::posts::write::delete_post,
        routes::posts::revisions::list_revisions,
        routes::posts::revisions::get_revision,
        routes::posts::revisions::restore_revision,
        routes::lists::list_tags,
        routes::lists::list_authors,
        routes::health::health,
        routes::health::live,
        routes::health::ready,
        routes::monitoring::metrics,
        routes::monitoring::database::database_health,
        routes::monitoring::queries::database_queries,
        routes::monitoring::performance::performance,
        routes::monitoring::errors::tracked_errors,
        routes::monitoring::backups::backups,
        routes::docs::openapi_json,
        routes::docs::swagger_ui,
        routes::docs::swagger_file,
    ),
    components(schemas(crate::problem::ProblemDocument<'static>, Sort, ListField)),
    modifiers(&Key, &Tokens),
)]
struct Api;

struct Key;

impl Modify for Key {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key made by `api keys create`"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The document.
#[must_use]
pub fn document() -> Document {
    Api::openapi()
}
