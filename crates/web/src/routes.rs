//! All paths, and which listener has them.

pub(crate) mod dashboard;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod lists;
pub(crate) mod monitoring;
pub(crate) mod posts;

use actix_web::web::ServiceConfig;

use crate::http::methods::Path;

/// What everybody may reach.
pub(crate) fn public(config: &mut ServiceConfig) {
    config
        .service(Path::new("/health").get(health::health).build())
        .service(Path::new("/health/live").get(health::live).build())
        .service(Path::new("/health/ready").get(health::ready).build())
        .service(
            Path::new("/api/v1/posts")
                .get(posts::list::list_posts)
                .on("POST", posts::write::create_post)
                .build(),
        )
        .service(
            Path::new("/api/v1/posts/slug/{slug}")
                .get(posts::read::get_post_by_slug)
                .build(),
        )
        .service(
            Path::new("/api/v1/posts/{id}")
                .get(posts::read::get_post)
                .on("PATCH", posts::write::patch_post)
                .on("PUT", posts::write::put_post)
                .on("DELETE", posts::write::delete_post)
                .build(),
        )
        .service(
            Path::new("/api/v1/posts/{id}/revisions")
                .get(posts::revisions::list_revisions)
                .build(),
        )
        .service(
            Path::new("/api/v1/posts/{id}/revisions/{revision}")
                .get(posts::revisions::get_revision)
                .build(),
        )
        .service(
            Path::new("/api/v1/posts/{id}/revisions/{revision}/restore")
                .on("POST", posts::revisions::restore_revision)
                .build(),
        )
        .service(Path::new("/api/v1/tags").get(lists::list_tags).build())
        .service(
            Path::new("/api/v1/authors")
                .get(lists::list_authors)
                .build(),
        )
        .configure(docs::configure);
}

/// What operators reach: on the main port, or on one of its own.
pub(crate) fn admin(config: &mut ServiceConfig) {
    config
        .service(Path::new("/metrics").get(monitoring::metrics).build())
        .service(
            Path::new("/api/monitoring/database/health")
                .get(monitoring::database::database_health)
                .build(),
        )
        .service(
            Path::new("/api/monitoring/database/queries")
                .get(monitoring::queries::database_queries)
                .build(),
        )
        .service(
            Path::new("/api/monitoring/performance")
                .get(monitoring::performance::performance)
                .build(),
        )
        .service(
            Path::new("/api/monitoring/errors")
                .get(monitoring::errors::tracked_errors)
                .build(),
        )
        .service(
            Path::new("/api/monitoring/backups")
                .get(monitoring::backups::backups)
                .build(),
        )
        .configure(dashboard::configure);
}
