//! Bearer keys (RFC 6750).

use actix_web::{HttpRequest, http::header};
use prepnexus_content::{ApiKey, Session};

use crate::{
    problem::{Code, Problem},
    state::AppState,
};

/// The key the request carries, if it carries one. One that is not valid is an error even where
/// none is needed: its sender believes to be known.
pub(crate) async fn viewer(
    request: &HttpRequest,
    state: &AppState,
    session: &Session,
) -> Result<Option<ApiKey>, Problem> {
    match sent_key(request)? {
        Some(key) => Ok(Some(state.content.authenticate_reader(key, session).await?)),
        None => Ok(None),
    }
}

/// The key the request must carry.
pub(crate) async fn writer(
    request: &HttpRequest,
    state: &AppState,
    session: &Session,
) -> Result<ApiKey, Problem> {
    let key = sent_key(request)?.ok_or_else(|| {
        Problem::new(
            Code::Unauthorized,
            "Send a key: Authorization: Bearer <key>.",
        )
    })?;
    Ok(state.content.authenticate(key, session).await?)
}

fn sent_key(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = headers.next() else {
        return Ok(None);
    };
    let malformed = || {
        Problem::new(
            Code::Unauthorized,
            "Authorization must be one header of the form: Bearer <key>.",
        )
    };
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(malformed)?;
    if headers.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed());
    }
    Ok(Some(key.trim()))
}
