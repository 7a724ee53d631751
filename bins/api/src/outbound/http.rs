//! How a receiver is reached. No error here names its address, which may hold a key.

use std::{sync::Arc, time::Duration};

use rustls::crypto::ring;
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};

/// The longest a post may take, with everything.
const LIMIT: Duration = Duration::from_secs(10);

/// A client that trusts whom the system trusts. An answer of any status is no error.
pub(super) fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("prepnexus/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}

/// What became of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it.
    Taken,
    /// It won't have it, however often it is sent.
    Refused(u16),
    /// It may have it later.
    Failed(String),
}

/// Sends a body.
pub(super) fn post(agent: &Agent, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Outcome {
    let mut request = agent.post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match request.send(body) {
        Ok(answer) => match answer.status().as_u16() {
            200..=299 => Outcome::Taken,
            408 | 429 | 500.. => Outcome::Failed(format!("it answered {}", answer.status())),
            status => Outcome::Refused(status),
        },
        Err(ureq::Error::BadUri(_)) => Outcome::Failed("its address can't be used".into()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
