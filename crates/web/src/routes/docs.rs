//! The OpenAPI document, and Swagger UI served from the binary.

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes, ServiceConfig},
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{http::methods::Path, openapi};

pub(crate) fn configure(config: &mut ServiceConfig) {
    let ui = Config::new(["/api/openapi.json"])
        .try_it_out_enabled(true)
        .persist_authorization(true);
    config
        .app_data(web::Data::new(Document(
            openapi::document()
                .to_pretty_json()
                .unwrap_or_default()
                .into(),
        )))
        .service(Path::new("/api/openapi.json").get(openapi_json).build())
        .service(Path::new("/docs").get(to_docs).build())
        .service(SwaggerUi::new("/docs/{_:.*}").config(ui));
}

pub(crate) struct Document(Bytes);

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "Documentation",
    responses((status = 200, description = "The OpenAPI 3.1 document", content_type = "application/json"))
)]
pub(crate) async fn openapi_json(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(document.0.clone())
}

/// Swagger UI loads its parts relative to its folder.
#[utoipa::path(
    get, path = "/docs", tag = "Documentation",
    responses((status = 302, description = "To `/docs/`, where this document can be read and tried", headers(("Location" = String))))
)]
pub(crate) async fn to_docs() -> HttpResponse {
    HttpResponse::Found()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}
