//! An answer of the read ladder as a response: its encoding, its validators, and what it says of where it comes from.
//!
//! No `If-Modified-Since`: its seconds are too coarse, two revisions can have one; the ETag is exact.

use std::time::SystemTime;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue, HttpDate, TryIntoHeaderValue as _},
    },
};
use prepnexus_content::{Answer, Encoding, Kind, Origin, Version};

use crate::{
    http::{accept, etag},
    metric,
    problem::{Code, Problem},
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Others may show it for as long as this service calls a copy fresh, and asks about it then; for a day where the
/// service is away.
const PUBLIC: &str = "public, max-age=0, stale-while-revalidate=1, stale-if-error=86400";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
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
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    metric::served(answer.origin());
    let status = cache_status(answer);
    headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
    if let Origin::Stale(age) = answer.origin() {
        headers.insert(header::AGE, age.as_secs().into());
    }
    response
}

/// The headers of a copy that are the same whenever it is sent.
struct Head {
    etags: [HeaderValue; 3],
    link: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Head {
    fn of(answer: &Answer) -> Self {
        let etag = |encoding| {
            let tag = HeaderValue::try_from(etag::of_answer(answer, encoding));
            tag.expect("digits and letters are a header's value")
        };
        let at = |version: Version| {
            let date = HttpDate::from(SystemTime::from(version.made_at)).try_into_value();
            date.expect("a date is a header's value")
        };
        Self {
            etags: accept::BY_SIZE.map(etag),
            link: answer.link().and_then(|link| link.parse().ok()),
            last_modified: answer.version().map(at),
        }
    }

    fn etag(&self, encoding: Encoding) -> &HeaderValue {
        let place = accept::BY_SIZE.iter().position(|one| *one == encoding);
        &self.etags[place.expect("all encodings are there")]
    }
}

fn found(request: &HttpRequest, answer: &Answer) -> HttpResponse {
    let (encoding, body) = accept::choose(request, answer);
    let made = answer.made(|| Head::of(answer));
    let head = made.expect("nothing else is made of an answer");
    let etag = head.etag(encoding);
    let is_unchanged = etag::is_known(request, etag.to_str().unwrap_or_default());
    let mut response = if is_unchanged {
        HttpResponse::new(StatusCode::NOT_MODIFIED).set_body(BoxBody::new(()))
    } else {
        HttpResponse::new(StatusCode::OK).set_body(BoxBody::new(body))
    };
    let headers = response.headers_mut();
    let cache_control = HeaderValue::from_static(cache_control(answer));
    headers.insert(header::CACHE_CONTROL, cache_control);
    headers.insert(header::ETAG, etag.clone());
    if let Some(link) = &head.link {
        headers.insert(header::LINK, link.clone());
    }
    if let Some(time) = &head.last_modified {
        headers.insert(header::LAST_MODIFIED, time.clone());
    }
    if !is_unchanged {
        headers.insert(header::CONTENT_TYPE, JSON);
        if encoding != Encoding::Identity {
            let encoding = HeaderValue::from_static(encoding.as_str());
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
    }
    response
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
