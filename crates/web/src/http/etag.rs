//! Validators (RFC 9110, section 8.8).
//!
//! A post's ETag names its revision and its bytes: `"3-9f2c41d07b6a8e15"`. `If-None-Match` compares
//! all of it, the encoding too; `If-Match` compares the revision alone, so that a view counted in between is no
//! conflict.

use std::fmt::Write as _;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};
use prepnexus_content::{Answer, Encoding, Precondition};
use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{Code, Problem};

/// The ETag of a post's representation.
pub(crate) fn of_post(revision: i32, body: &[u8]) -> String {
    tag(Some(revision), xxh3_64(body), Encoding::Identity)
}

/// The ETag of what has no revisions.
pub(crate) fn of_bytes(body: &[u8]) -> String {
    tag(None, xxh3_64(body), Encoding::Identity)
}

/// The ETag of an answer in that encoding.
pub(crate) fn of_answer(answer: &Answer, encoding: Encoding) -> String {
    let revision = answer.version().map(|version| version.revision);
    tag(revision, answer.digest(), encoding)
}

fn tag(revision: Option<i32>, digest: u64, encoding: Encoding) -> String {
    let mut tag = String::with_capacity(40);
    tag.push('"');
    let written = match revision {
        Some(revision) => write!(tag, "{revision}-{digest:016x}"),
        None => write!(tag, "{digest:016x}"),
    };
    written.expect("writing to a String never fails");
    if encoding != Encoding::Identity {
        tag.push('-');
        tag.push_str(encoding.as_str());
    }
    tag.push('"');
    tag
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

/// Whether the client has what `etag` names.
pub(crate) fn is_known(request: &HttpRequest, etag: &str) -> bool {
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

    use super::{is_known, of_post, precondition};

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
        for (value, known) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            ("*".into(), true),
            (format!("\"1-0\", {tag}"), true),
            ("\"3-0\"".into(), false),
            (tag.replace("\"3-", "\"3-gzip-"), false),
        ] {
            let request = TestRequest::default()
                .insert_header(("if-none-match", value))
                .to_http_request();
            assert_eq!(is_known(&request, &tag), known);
        }
    }
}
