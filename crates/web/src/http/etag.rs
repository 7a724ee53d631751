//! Validators (RFC 9110, section 8.8).
//!
//! A post's ETag names its revision and its bytes: `"3-9f2c41d07b6a8e15"`. `If-None-Match` compares
//! all of it; `If-Match` compares the revision alone, so that a view counted in between is no
//! conflict.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName},
};
use bytes::Bytes;
use prepnexus_content::Precondition;
use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{Code, Problem};

/// The ETag of a post's representation.
pub(crate) fn of_post(revision: i32, body: &[u8]) -> String {
    format!("\"{revision}-{:016x}\"", xxh3_64(body))
}

/// The ETag of anything else.
pub(crate) fn of_bytes(body: &[u8]) -> String {
    format!("\"{:016x}\"", xxh3_64(body))
}

/// 200 with the body, or 304 when the client has it already.
pub(crate) fn respond(
    request: &HttpRequest,
    etag: &str,
    body: Bytes,
    public: bool,
) -> HttpResponse {
    let unchanged = matches_any(request, etag);
    let mut response = if unchanged {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((header::ETAG, etag));
    response.insert_header((header::VARY, "Authorization"));
    // What is not for everybody is kept by nobody; the rest is asked about before it is used again.
    response.insert_header((
        header::CACHE_CONTROL,
        if public {
            "no-cache"
        } else {
            "private, no-store"
        },
    ));
    if unchanged {
        return response.finish();
    }
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    response.body(body)
}

/// What the client requires of the post it means to change.
///
/// # Errors
/// 428 without `If-Match`.
pub(crate) fn precondition(request: &HttpRequest) -> Result<Precondition, Problem> {
    let mut tags = entity_tags(request, &header::IF_MATCH).peekable();
    if tags.peek().is_none() {
        return Err(Problem::new(
            Code::PreconditionRequired,
            "Send If-Match with the ETag of the post as you last read it.",
        ));
    }
    let tags: Vec<&str> = tags.collect();
    if tags.contains(&"*") {
        return Ok(Precondition::Any);
    }
    Ok(Precondition::Revisions(
        tags.into_iter().filter_map(revision).collect(),
    ))
}

fn matches_any(request: &HttpRequest, etag: &str) -> bool {
    entity_tags(request, &header::IF_NONE_MATCH).any(|tag| tag == "*" || strong(tag) == etag)
}

/// The tags of all headers of that name, as they stand there. Ours hold no comma.
fn entity_tags<'a>(request: &'a HttpRequest, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
}

/// A cache in between may have weakened the tag; it still names the revision.
fn strong(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn revision(tag: &str) -> Option<i32> {
    strong(tag)
        .strip_prefix('"')?
        .strip_suffix('"')?
        .split_once('-')?
        .0
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use prepnexus_content::Precondition;

    use super::{of_post, precondition, respond};

    #[test]
    fn if_match_compares_the_revision_alone() {
        let tag = of_post(3, b"body");
        for (value, revisions) in [
            (tag.clone(), vec![3]),
            (format!("W/{tag}"), vec![3]),
            (format!("\"2-00\", {tag}"), vec![2, 3]),
            ("nonsense".into(), vec![]),
            ("\"-1\", \"x-2\", \"99999999999-1\"".into(), vec![]),
        ] {
            let request = TestRequest::default()
                .insert_header(("if-match", value))
                .to_http_request();
            assert_eq!(
                precondition(&request).unwrap(),
                Precondition::Revisions(revisions)
            );
        }
        let any = TestRequest::default()
            .insert_header(("if-match", "*"))
            .to_http_request();
        assert_eq!(precondition(&any).unwrap(), Precondition::Any);
        let none = TestRequest::default().to_http_request();
        assert_eq!(precondition(&none).unwrap_err().code.status(), 428);
    }

    #[test]
    fn if_none_match_compares_the_whole_tag() {
        let tag = of_post(3, b"body");
        for (value, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            ("*".into(), 304),
            (format!("\"1-0\", {tag}"), 304),
            ("\"3-0\"".into(), 200),
        ] {
            let request = TestRequest::default()
                .insert_header(("if-none-match", value))
                .to_http_request();
            let response = respond(&request, &tag, bytes::Bytes::from_static(b"body"), true);
            assert_eq!(response.status(), status);
        }
    }
}
