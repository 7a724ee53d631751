//! What HTTP asks of every route: request ids, bodies, keys, validators, encodings, methods.

pub(crate) mod accept;
pub(crate) mod answer;
pub(crate) mod audience;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod etag;
pub(crate) mod idempotency;
pub(crate) mod methods;
pub(crate) mod observe;
pub(crate) mod params;
pub(crate) mod request_id;
pub(crate) mod session;
pub(crate) mod trace;
