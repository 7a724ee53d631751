//! Tells others what happens here: each on a thread of its own, so that a receiver that is slow, frozen or away delays nobody.

mod alerts;
mod errors;
mod http;
pub(crate) mod traces;

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use prepnexus_health::Health;
use prepnexus_settings::{OutboundSettings, SettingsError};

use self::errors::ErrorReports;

/// The threads that tell; they end when this is dropped, and are not waited for.
pub(crate) struct Outbound {
    _running: Vec<Sender<()>>,
}

/// Checks what single values can't show.
pub(crate) fn validate(settings: &OutboundSettings) -> Result<(), SettingsError> {
    errors::dsn(settings).map(|_| ())
}

impl Outbound {
    /// Begins to tell whom the settings name; `url` is where this process is found.
    pub(crate) fn start(
        settings: &OutboundSettings,
        health: &Health,
        url: &str,
    ) -> anyhow::Result<Self> {
        let mut running = Vec::new();
        if let Some(receiver) = settings.alert_webhook_url() {
            let (receiver, alerts) = (receiver.clone(), health.alerts.clone());
            let mut webhook = alerts::Webhook::new(receiver, alerts, url.to_owned());
            running.push(every(alerts::INTERVAL, "alerts", move || {
                webhook.tell(Instant::now());
            })?);
        }
        if let Some(dsn) = errors::dsn(settings)? {
            let (log, environment) = (health.errors.clone(), settings.sentry_environment.clone());
            let mut reports = ErrorReports::new(dsn, environment, log);
            running.push(every(errors::INTERVAL, "errors", move || {
                reports.tell(Instant::now());
            })?);
        }
        Ok(Self { _running: running })
    }
}

/// A thread that does so again and again, until what is returned is dropped.
fn every(
    interval: Duration,
    name: &str,
    mut work: impl FnMut() + Send + 'static,
) -> anyhow::Result<Sender<()>> {
    let (running, ended): (_, Receiver<()>) = mpsc::channel();
    let looping = move || {
        while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            work();
        }
    };
    let thread = thread::Builder::new().name(format!("outbound-{name}"));
    thread.spawn(looping).context("can't start a thread")?;
    Ok(running)
}
