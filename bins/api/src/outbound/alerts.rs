//! Posts alerts to a webhook.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prepnexus_health::alerts::{Alerts, webhook::Document};
use prepnexus_storage::Secret;
use ureq::Agent;

use super::http::{self, Outcome};

/// How often it is looked whether there is something to tell.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);
/// How long after a post that failed the next is tried; doubled with each, up to the other.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Who is told, and what is to be told.
pub(super) struct Webhook {
    receiver: Secret,
    alerts: Arc<Alerts>,
    /// Where this process is found.
    url: String,
    agent: Agent,
    failed: Option<Failed>,
}

/// The receiver did not take a post.
struct Failed {
    pause: Duration,
    again_at: Instant,
}

impl Webhook {
    pub(super) fn new(receiver: Secret, alerts: Arc<Alerts>, url: String) -> Self {
        Self {
            receiver,
            alerts,
            url,
            agent: http::agent(),
            failed: None,
        }
    }

    /// Tells what the receiver does not know yet, one name at a time.
    pub(super) fn tell(&mut self, now: Instant) {
        if self
            .failed
            .as_ref()
            .is_some_and(|failed| now < failed.again_at)
        {
            return;
        }
        let Some(news) = self.alerts.untold(now) else {
            return;
        };
        let body = serde_json::to_vec(&Document::new(&news, &self.url))
            .expect("a document of texts and times is JSON");
        let json = [("content-type", "application/json")];
        match http::post(&self.agent, self.receiver.expose(), &json, &body) {
            Outcome::Taken => {
                if self.failed.take().is_some() {
                    tracing::info!("the receiver of alerts takes them again");
                }
                self.alerts.told(&news, now);
            }
            Outcome::Refused(status) => {
                let name = news.first().map_or("", |told| told.alert.name);
                tracing::error!(
                    status,
                    name,
                    "the receiver of alerts refuses one: it is not told"
                );
                self.alerts.told(&news, now);
            }
            Outcome::Failed(error) => {
                let pause = match &self.failed {
                    None => {
                        tracing::warn!(error, "the receiver of alerts can't be told; trying again");
                        FIRST_PAUSE
                    }
                    Some(failed) => (failed.pause * 2).min(LONGEST_PAUSE),
                };
                let again_at = Instant::now() + pause;
                self.failed = Some(Failed { pause, again_at });
            }
        }
    }
}
