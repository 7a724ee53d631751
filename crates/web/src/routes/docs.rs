//! The OpenAPI document, and Swagger UI served from the binary.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes, ServiceConfig},
};
use utoipa_swagger_ui::Config;

use crate::{
    http::{etag, methods::Path},
    openapi::{self, FileErrors, MethodErrors},
    problem::{Code, Problem},
};

/// Where the document is.
const OPENAPI_JSON: &str = "/api/openapi.json";

pub(crate) fn configure(config: &mut ServiceConfig) {
    let ui = Config::new([OPENAPI_JSON]).try_it_out_enabled(true);
    let document = openapi::document().to_pretty_json().unwrap_or_default();
    config
        .app_data(web::Data::new(Docs {
            document: document.into(),
            ui: Arc::new(ui),
        }))
        .service(Path::new(OPENAPI_JSON).get(openapi_json).build())
        .service(Path::new("/docs").get(swagger_ui).build())
        .service(Path::new("/docs/{file:.*}").get(swagger_file).build());
}

pub(crate) struct Docs {
    document: Bytes,
    ui: Arc<Config<'static>>,
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "Documentation",
    responses(
        (status = 200, description = "The OpenAPI 3.1 document", body = Object, content_type = "application/json", headers(("ETag" = String))),
        (status = 304, description = "It is as the ETag in `If-None-Match` says"),
        MethodErrors
    )
)]
pub(crate) async fn openapi_json(request: HttpRequest, docs: web::Data<Docs>) -> HttpResponse {
    let tag = etag::of_bytes(&docs.document);
    let is_unchanged = etag::is_known(&request, &tag);
    let mut response = if is_unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((header::ETAG, tag));
    response.insert_header((header::CACHE_CONTROL, "no-cache"));
    if is_unchanged {
        return response.finish();
    }
    response
        .content_type("application/json")
        .body(docs.document.clone())
}

/// The page where this document can be read and tried.
#[utoipa::path(
    get, path = "/docs", tag = "Documentation",
    responses((status = 200, description = "Swagger UI", body = String, content_type = "text/html"), MethodErrors)
)]
pub(crate) async fn swagger_ui(docs: web::Data<Docs>) -> Result<HttpResponse, Problem> {
    file(&docs, "index.html")
}

/// What that page loads.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "Documentation",
    params(("file" = String, Path, description = "The name of the file")),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/html"), (String = "text/css"), (String = "text/javascript"), (String = "image/png"),
        )),
        FileErrors
    )
)]
pub(crate) async fn swagger_file(
    request: HttpRequest,
    docs: web::Data<Docs>,
) -> Result<HttpResponse, Problem> {
    file(&docs, request.match_info().query("file"))
}

fn file(docs: &Docs, path: &str) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(path, Arc::clone(&docs.ui)).map_err(|error| {
        Problem::new(Code::Internal, "The page could not be made.").with_internal(error.to_string())
    })?;
    let file =
        found.ok_or_else(|| Problem::new(Code::NotFound, "There is nothing at this path."))?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, file.content_type.clone()))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    // The page names its parts relative to its folder, and is also served without the last slash.
    if file.content_type.starts_with("text/html") {
        let page = String::from_utf8_lossy(&file.bytes);
        return Ok(response.body(page.replacen("<head>", "<head><base href=\"/docs/\">", 1)));
    }
    Ok(response.body(file.bytes.into_owned()))
}
