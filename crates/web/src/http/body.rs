//! JSON bodies, bounded in size and time.

use actix_web::{HttpRequest, error::PayloadError, http::header, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use prepnexus_content::Deadline;
use serde_json::Value;

use crate::{
    problem::{Code, Problem},
    state::AppState,
};

/// A body and what it says.
pub(crate) struct JsonBody {
    /// The bytes as they came.
    pub(crate) bytes: Bytes,
    /// What they say.
    pub(crate) value: Value,
}

/// Reads the body as one of the media types `accepted`.
pub(crate) async fn json(
    request: &HttpRequest,
    payload: web::Payload,
    accepted: &[&str],
    state: &AppState,
    deadline: Deadline,
) -> Result<JsonBody, Problem> {
    check_media_type(request, accepted)?;
    let limit = state.config.body_limit;
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("The body may have at most {limit} bytes."),
        )
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let reading = tokio::time::timeout(deadline.left(), read(payload, limit));
    let late = |_| Problem::new(Code::RequestTimeout, "The body did not arrive in time.");
    let bytes = reading.await.map_err(late)?.map_err(|error| match error {
        PayloadError::Overflow => too_large(),
        error => Problem::new(
            Code::BadRequest,
            format!("The body could not be read: {error}."),
        ),
    })?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Code::BadJson, format!("The body is not JSON: {error}.")))?;
    Ok(JsonBody { bytes, value })
}

async fn read(mut payload: web::Payload, limit: usize) -> Result<Bytes, PayloadError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > limit {
            return Err(PayloadError::Overflow);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn check_media_type(request: &HttpRequest, accepted: &[&str]) -> Result<(), Problem> {
    let unsupported = |what: &str| {
        let detail = format!("{what} must be {}.", accepted.join(" or "));
        Err(Problem::new(Code::UnsupportedMediaType, detail))
    };
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return unsupported("The body must not be compressed, and its media type");
    }
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = value.unwrap_or_default().split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if !accepted
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
    {
        return unsupported("Content-Type");
    }
    let foreign = parts
        .filter_map(|part| part.split_once('='))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("charset")
                && !value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
    if foreign {
        unsupported("The charset must be utf-8, and Content-Type")
    } else {
        Ok(())
    }
}
