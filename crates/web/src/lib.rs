//! HTTP: routes, problem documents, authentication, limits, and the documentation of all that.
//!
//! Handlers parse, call one use case, and render. What goes wrong becomes a [`Problem`] in one
//! exhaustive match; the middleware gives every response its request id, its metrics and its line
//! in the log. Nothing here knows PostgreSQL or Redis.

mod config;
mod http;
pub mod metric;
mod openapi;
mod problem;
mod routes;
mod server;
mod state;
mod time;

pub use config::WebConfig;
pub use http::methods::Route;
pub use metric::Instruments;
pub use openapi::document as openapi_document;
pub use problem::{Code, Problem};
pub use routes::dashboard::Watchers;
pub use server::{Listeners, Server, StartError};
pub use state::AppState;
