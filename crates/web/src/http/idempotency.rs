//! `Idempotency-Key`: the name of a request that changes something.
//!
//! Every such request has one, its own if the client sent none: so a commit whose outcome is not
//! known can be asked for again. The client learns the name when it has to do that itself.

use actix_web::{HttpRequest, HttpResponseBuilder, http::Method};
use prepnexus_content::{ContentError, IdempotencyKey, StorageError, Written};

use crate::problem::{Code, Problem};

pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

/// The request's name; `body` is what it was sent with.
pub(crate) fn name(request: &HttpRequest, body: &[u8]) -> Result<IdempotencyKey, Problem> {
    // Making is named by its body alone; a change also by what it is done to.
    let mut asked = Vec::new();
    let makes = request.method() == Method::POST && request.match_info().is_empty();
    if !makes {
        asked.extend_from_slice(format!("{} {}\n", request.method(), request.path()).as_bytes());
    }
    asked.extend_from_slice(body);
    match sent(request)? {
        Some(text) => Ok(IdempotencyKey::new(text, &asked)),
        None => Ok(IdempotencyKey::random(&asked)?),
    }
}

/// Tells a client by what name to ask again for a write whose outcome is not known.
pub(crate) fn resolvable<T>(
    outcome: Result<Written<T>, ContentError>,
    name: &IdempotencyKey,
) -> Result<Written<T>, Problem> {
    outcome.map_err(|error| {
        let is_unknown = matches!(error, ContentError::Storage(StorageError::CommitUnknown(_)));
        let idempotency_key = is_unknown.then(|| name.text().to_owned());
        Problem {
            idempotency_key,
            ..error.into()
        }
    })
}

/// Marks the answer to a repeat.
pub(crate) fn mark<T>(response: &mut HttpResponseBuilder, written: &Written<T>) {
    if written.replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
}

fn sent(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().map(str::trim).filter(|text| {
        (1..=IdempotencyKey::MAX_LEN).contains(&text.len()) && values.next().is_none()
    });
    let malformed = || {
        let max = IdempotencyKey::MAX_LEN;
        let detail =
            format!("Idempotency-Key must be one header of 1 to {max} visible ASCII characters.");
        Problem::new(Code::BadRequest, detail)
    };
    text.map(Some).ok_or_else(malformed)
}
