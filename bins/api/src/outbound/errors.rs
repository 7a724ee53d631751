//! Reports errors to Sentry, or to whatever speaks its protocol: one event for each group of errors that is new or has grown, at
//! most one a minute for each, so that a storm here is none there. What is sent is what `/api/monitoring/errors` shows.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use prepnexus_health::{ErrorLog, TrackedError};
use prepnexus_settings::{OutboundSettings, SettingsError};
use sentry_types::Dsn;
use sentry_types::protocol::v7::{Envelope, Event, Level, Value};
use ureq::Agent;

use super::http::{self, Outcome};

/// How often it is looked whether there is something to tell.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);
/// A group is not told of more often than that.
const PAUSE: Duration = Duration::from_secs(60);
/// What Sentry calls who speaks to it.
const CLIENT: &str = concat!("prepnexus/", env!("CARGO_PKG_VERSION"));

/// The project that the settings name.
pub(super) fn dsn(settings: &OutboundSettings) -> Result<Option<Dsn>, SettingsError> {
    let Some(text) = settings.sentry_dsn() else {
        return Ok(None);
    };
    let parsed = text.expose().parse().map(Some);
    parsed.map_err(|_| {
        let expected = "the value is not accepted: expected https://<key>@<host>/<project>";
        SettingsError::invalid("SENTRY_DSN", expected)
    })
}

/// Who is told, and of what it was told.
pub(super) struct ErrorReports {
    dsn: Dsn,
    environment: String,
    log: Arc<ErrorLog>,
    agent: Agent,
    told: HashMap<Group, Told>,
    is_away: bool,
}

/// Code and fingerprint.
type Group = (&'static str, String);

struct Told {
    count: u64,
    at: Instant,
}

impl ErrorReports {
    pub(super) fn new(dsn: Dsn, environment: String, log: Arc<ErrorLog>) -> Self {
        Self {
            dsn,
            environment,
            log,
            agent: http::agent(),
            told: HashMap::new(),
            is_away: false,
        }
    }

    /// Tells of the groups that are new or have grown.
    pub(super) fn tell(&mut self, now: Instant) {
        let groups = self.log.list();
        let key = |error: &TrackedError| (error.code, error.fingerprint.clone());
        let known: Vec<Group> = groups.iter().map(key).collect();
        self.told.retain(|group, _| known.contains(group));
        for error in &groups {
            let told = self.told.get(&key(error));
            let is_due = told.is_none_or(|told| {
                told.count != error.count && now.saturating_duration_since(told.at) >= PAUSE
            });
            if !is_due {
                continue;
            }
            let since = told.map_or(0, |told| told.count);
            match self.post(error, error.count.saturating_sub(since)) {
                Outcome::Taken => {
                    if self.is_away {
                        tracing::info!("the receiver of error reports takes them again");
                    }
                    self.is_away = false;
                }
                Outcome::Refused(status) => {
                    tracing::error!(
                        status,
                        "the receiver of error reports refuses one: it is not told"
                    );
                }
                Outcome::Failed(error) => {
                    if !self.is_away {
                        tracing::warn!(
                            error,
                            "the receiver of error reports can't be told; trying again"
                        );
                    }
                    self.is_away = true;
                    return;
                }
            }
            let count = error.count;
            self.told.insert(key(error), Told { count, at: now });
        }
    }

    fn post(&self, error: &TrackedError, more: u64) -> Outcome {
        let mut body = Vec::new();
        let envelope = Envelope::from(self.event(error, more));
        if let Err(error) = envelope.to_writer(&mut body) {
            return Outcome::Failed(error.to_string());
        }
        let auth = self.dsn.to_auth(Some(CLIENT)).to_string();
        let headers = [
            ("content-type", "application/x-sentry-envelope"),
            ("x-sentry-auth", auth.as_str()),
        ];
        let url = self.dsn.envelope_api_url().to_string();
        http::post(&self.agent, &url, &headers, &body)
    }

    fn event(&self, error: &TrackedError, more: u64) -> Event<'static> {
        let mut event = Event {
            level: Level::Error,
            message: Some(error.sample.clone()),
            logger: Some("prepnexus".into()),
            fingerprint: vec![error.code.into(), error.fingerprint.clone().into()].into(),
            release: Some(CLIENT.into()),
            environment: Some(self.environment.clone().into()),
            timestamp: SystemTime::from(error.last_seen),
            ..Event::new()
        };
        event.tags.insert("code".into(), error.code.into());
        if let Some(id) = &error.request_id {
            event.tags.insert("request_id".into(), id.clone());
        }
        for (name, value) in [
            ("count", Value::from(error.count)),
            ("count_since_last_report", Value::from(more)),
            ("first_seen", Value::from(error.first_seen.to_string())),
        ] {
            event.extra.insert(name.into(), value);
        }
        event
    }
}
