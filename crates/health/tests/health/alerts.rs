//! What is told, and what is not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prepnexus_health::alerts::{Alert, AlertConfig, Alerts, Told, Urgency, webhook::Document};
use serde_json::{Value, json};

use crate::clock::{TestClock, at};

const HOLD: Duration = Duration::from_secs(1);
const CALM: Duration = Duration::from_secs(5);

/// Alerts, with a clock and a stop watch that go together.
struct Watched {
    alerts: Alerts,
    clock: Arc<TestClock>,
    now: Instant,
}

impl Watched {
    fn new() -> Self {
        let clock = Arc::new(TestClock::new());
        let config = AlertConfig {
            hold: HOLD,
            calm: CALM,
            ..AlertConfig::default()
        };
        Self {
            alerts: Alerts::new(Arc::clone(&clock) as _, config),
            clock,
            now: Instant::now(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.clock.advance(time);
    }

    fn see(&self, alerts: &[Alert]) {
        self.alerts.observe(alerts.to_vec(), self.now);
    }

    fn untold(&self) -> Option<Vec<Told>> {
        self.alerts.untold(self.now)
    }

    /// What is told now, and is then known.
    fn tell(&self) -> Vec<Told> {
        let news = self.untold().expect("there is something to tell");
        self.alerts.told(&news, self.now);
        news
    }
}

fn away(node: &str) -> Alert {
    Alert {
        name: "NodeAway",
        urgency: Urgency::Ticket,
        of: Some(("node", node.to_owned())),
        summary: format!("{node} is away"),
    }
}

fn no_primary() -> Alert {
    Alert {
        name: "NoPrimary",
        urgency: Urgency::Page,
        of: None,
        summary: "No primary".to_owned(),
    }
}

#[test]
fn what_holds_is_told_once_and_its_end_once() {
    let mut watched = Watched::new();
    watched.see(&[away("a")]);
    assert_eq!(watched.untold(), None, "it may be over at once");
    watched.pass(HOLD);
    watched.see(&[away("a")]);
    let told = watched.tell();
    let expected = Told {
        alert: away("a"),
        started_at: at(0),
        ended_at: None,
    };
    assert_eq!(told, std::slice::from_ref(&expected));
    watched.pass(CALM);
    watched.see(&[away("a")]);
    assert_eq!(watched.untold(), None, "it is known");
    watched.pass(HOLD);
    watched.see(&[]);
    assert_eq!(watched.untold(), None, "it may come back");
    watched.pass(CALM);
    watched.see(&[]);
    let ended = Told {
        ended_at: Some(at(7)),
        ..expected
    };
    assert_eq!(watched.tell(), [ended]);
    assert_eq!(watched.untold(), None);
    assert_eq!(watched.alerts.firing(), []);
}

#[test]
fn what_comes_and_goes_quickly_is_not_told() {
    let mut watched = Watched::new();
    for _ in 0..3 {
        watched.see(&[no_primary()]);
        watched.pass(HOLD / 2);
        watched.see(&[]);
        watched.pass(HOLD);
    }
    assert_eq!(watched.untold(), None);
}

#[test]
fn a_flap_is_one_alert() {
    let mut watched = Watched::new();
    watched.see(&[no_primary()]);
    watched.pass(HOLD);
    watched.see(&[no_primary()]);
    watched.tell();
    for _ in 0..3 {
        watched.see(&[]);
        watched.pass(CALM / 2);
        watched.see(&[no_primary()]);
        watched.pass(HOLD);
        assert_eq!(watched.untold(), None);
    }
}

#[test]
fn a_receiver_that_was_away_is_told_what_is_true_now() {
    let mut watched = Watched::new();
    watched.see(&[no_primary()]);
    watched.pass(HOLD);
    watched.see(&[no_primary()]);
    assert!(watched.untold().is_some());
    // It is not told, and in the meantime it ends.
    watched.see(&[]);
    watched.pass(CALM);
    watched.see(&[]);
    let told = watched.tell();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].ended_at, Some(at(1)));
    assert_eq!(watched.untold(), None);
}

#[test]
fn what_ends_while_its_end_is_told_and_comes_back_is_told_again() {
    let mut watched = Watched::new();
    watched.see(&[no_primary()]);
    watched.pass(HOLD);
    watched.see(&[no_primary()]);
    watched.tell();
    watched.see(&[]);
    watched.pass(CALM);
    let end = watched.untold().unwrap();
    // While it is on its way, there it is again.
    watched.see(&[no_primary()]);
    watched.alerts.told(&end, watched.now);
    watched.pass(HOLD);
    watched.see(&[no_primary()]);
    assert_eq!(watched.tell()[0].ended_at, None);
}

#[test]
fn what_comes_back_later_is_another_where_nobody_was_told() {
    let mut watched = Watched::new();
    watched.see(&[no_primary()]);
    watched.pass(HOLD);
    watched.see(&[no_primary()]);
    watched.see(&[]);
    watched.pass(CALM);
    watched.see(&[no_primary()]);
    assert_eq!(watched.alerts.firing(), []);
    watched.pass(HOLD);
    watched.see(&[no_primary()]);
    assert_eq!(watched.alerts.firing()[0].started_at, at(6));
}

#[test]
fn names_are_told_one_by_one_and_long_ones_again() {
    let mut watched = Watched::new();
    let all = [away("a"), no_primary(), away("b")];
    watched.see(&all);
    watched.pass(HOLD);
    watched.see(&all);
    assert_eq!(watched.tell().len(), 1);
    let nodes = watched.tell();
    assert_eq!(nodes.len(), 2);
    assert_eq!(watched.untold(), None);
    watched.pass(AlertConfig::default().repeat);
    watched.see(&all);
    assert_eq!(watched.tell()[0].alert.name, "NoPrimary");
}

#[test]
fn a_post_is_what_alertmanager_would_send() {
    let told = |node: &str, ended| Told {
        alert: away(node),
        started_at: at(0),
        ended_at: ended,
    };
    let told = [told("a", None), told("b", Some(at(9)))];
    let sent = serde_json::to_value(Document::new(&told, "http://10.0.0.1:8000")).unwrap();
    let annotations = |node| {
        json!({
            "instance": "http://10.0.0.1:8000",
            "runbook": "docs/RUNBOOK.md#nodeaway",
            "summary": format!("{node} is away"),
        })
    };
    let labels = |node| json!({"alertname": "NodeAway", "job": "prepnexus", "node": node, "severity": "ticket"});
    let expected = json!({
        "version": "4",
        "groupKey": "{}:{alertname=\"NodeAway\"}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "prepnexus",
        "groupLabels": {"alertname": "NodeAway"},
        "commonLabels": {"alertname": "NodeAway", "job": "prepnexus", "severity": "ticket"},
        "commonAnnotations": {
            "instance": "http://10.0.0.1:8000",
            "runbook": "docs/RUNBOOK.md#nodeaway",
        },
        "externalURL": "http://10.0.0.1:8000",
        "alerts": [
            {
                "status": "firing",
                "labels": labels("a"),
                "annotations": annotations("a"),
                "startsAt": at(0).to_string(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://10.0.0.1:8000/dashboard",
                "fingerprint": sent["alerts"][0]["fingerprint"],
            },
            {
                "status": "resolved",
                "labels": labels("b"),
                "annotations": annotations("b"),
                "startsAt": at(0).to_string(),
                "endsAt": at(9).to_string(),
                "generatorURL": "http://10.0.0.1:8000/dashboard",
                "fingerprint": sent["alerts"][1]["fingerprint"],
            },
        ],
    });
    assert_eq!(sent, expected);
    let prints = |sent: &Value| [0, 1].map(|i| sent["alerts"][i]["fingerprint"].clone());
    let [first, second] = prints(&sent);
    assert_ne!(first, second);
    assert_eq!(first.as_str().map(str::len), Some(16));
    let elsewhere = serde_json::to_value(Document::new(&told, "http://10.0.0.2:8000")).unwrap();
    assert_eq!(prints(&elsewhere), prints(&sent), "whoever tells of it");
}
