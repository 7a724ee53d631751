//! The session of a request: its deadline, and the `Consistency-Token` that comes and goes with it.
//!
//! A client sends back what it was last sent, to any node, and is shown nothing older. The token
//! leaves with every answer for which the database was read or written, errors too: the middleware
//! finds the session in the request.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use prepnexus_content::{Session, StorageError, Token, UnknownToken};

use crate::{http::client_address, problem::Problem, state::AppState};

/// The header, both ways.
pub(crate) const CONSISTENCY_TOKEN: &str = "consistency-token";

/// Begins the session of a request.
pub(crate) fn begin(request: &HttpRequest, state: &AppState) -> Result<Arc<Session>, Problem> {
    let mut session = Session::new(state.deadline(), sent_token(request)?);
    if let Some(address) = client_address::of(request, &state.config.trusted_proxies) {
        session = session.of(address);
    }
    let session = Arc::new(session);
    request.extensions_mut().insert(Arc::clone(&session));
    Ok(session)
}

/// Adds what the client of this request has seen to the headers of its answer.
pub(crate) fn finish(request: &HttpRequest, headers: &mut HeaderMap) {
    let extensions = request.extensions();
    let token = extensions
        .get::<Arc<Session>>()
        .and_then(|session| session.token());
    let value = token.and_then(|token| HeaderValue::try_from(token.to_string()).ok());
    if let Some(value) = value {
        headers.insert(HeaderName::from_static(CONSISTENCY_TOKEN), value);
    }
}

fn sent_token(request: &HttpRequest) -> Result<Option<Token>, Problem> {
    let mut values = request.headers().get_all(CONSISTENCY_TOKEN);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let token = text
        .ok_or(UnknownToken::Malformed)
        .and_then(|text| text.trim().parse());
    token
        .map(Some)
        .map_err(|unknown| Problem::from_storage(&StorageError::UnknownToken(unknown)))
}
