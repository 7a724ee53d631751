//! An answer of the read ladder as a response: its encoding, its validators, and what it says of where it comes from.
//!
//! No `If-Modified-Since`: its seconds are too coarse, two revisions can have one; the ETag is exact.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    http::header::{self, HeaderName, HttpDate},
};
use prepnexus_content::{Answer, Encoding, Kind, Origin};

use crate::{
    http::{accept, etag},
    problem::{Code, Problem},
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Others may show it for as long as this service calls a copy fresh, and asks about it then; for a day where the
/// service is away.
const PUBLIC: &str = "public, max-age=0, stale-while-revalidate=1, stale-if-error=86400";
const PRIVATE: &str = "private, no-store";
/// What an answer may differ by.
const VARY: &str = "Accept-Encoding, Authorization, Consistency-Token";

/// The response: 200 with the body, 304 where the client has it, 301 where it has moved, to below `moved_to`; 404.
pub(crate) fn respond(request: &HttpRequest, answer: &Answer, moved_to: &str) -> HttpResponse {
    let mut response = match answer.kind() {
        Kind::Found => found(request, answer),
        Kind::Moved => {
            let slug = answer.moved_to().unwrap_or_default();
            let mut response = HttpResponse::MovedPermanently();
            response.insert_header((header::LOCATION, format!("{moved_to}{slug}")));
            response.insert_header((header::CACHE_CONTROL, cache_control(answer)));
            response.finish()
        }
        Kind::Missing => {
            let detail = "There is nothing at this address that you may see.";
            Problem::new(Code::NotFound, detail).error_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, header::HeaderValue::from_static(VARY));
    let status = cache_status(answer);
    headers.insert(CACHE_STATUS, header::HeaderValue::from_static(status));
    if let Origin::Stale(age) = answer.origin() {
        headers.insert(header::AGE, age.as_secs().into());
    }
    response
}

fn found(request: &HttpRequest, answer: &Answer) -> HttpResponse {
    let (encoding, body) = accept::choose(request, answer);
    let tag = etag::of_answer(answer, encoding);
    let is_unchanged = etag::is_known(request, &tag);
    let mut response = if is_unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((header::ETAG, tag));
    response.insert_header((header::CACHE_CONTROL, cache_control(answer)));
    if let Some(link) = answer.link() {
        response.insert_header((header::LINK, link));
    }
    if let Some(version) = answer.version() {
        let time = HttpDate::from(std::time::SystemTime::from(version.made_at));
        response.insert_header((header::LAST_MODIFIED, time));
    }
    if is_unchanged {
        return response.finish();
    }
    with_encoding(&mut response, encoding);
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    response.body(body)
}

fn with_encoding(response: &mut HttpResponseBuilder, encoding: Encoding) {
    if encoding != Encoding::Identity {
        response.insert_header((header::CONTENT_ENCODING, encoding.as_str()));
    }
}

fn cache_control(answer: &Answer) -> &'static str {
    if answer.is_private() { PRIVATE } else { PUBLIC }
}

/// RFC 9211.
fn cache_status(answer: &Answer) -> &'static str {
    match (answer.origin(), answer.is_private()) {
        (Origin::Memory, _) => "prepnexus; hit; detail=memory",
        (Origin::Redis, _) => "prepnexus; hit; detail=redis",
        (Origin::Replica, false) => "prepnexus; fwd=miss; detail=replica",
        (Origin::Primary, false) => "prepnexus; fwd=miss; detail=primary",
        (Origin::Replica, true) => "prepnexus; fwd=bypass; detail=replica",
        (Origin::Primary, true) => "prepnexus; fwd=bypass; detail=primary",
        (Origin::Stale(_), _) => "prepnexus; hit; fwd=stale",
    }
}
