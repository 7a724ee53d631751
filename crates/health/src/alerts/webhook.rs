//! The document that Alertmanager posts to a webhook, version 4: whatever receives its alerts receives ours.
//!
//! Its fields are those of <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>. Which process tells is an
//! annotation and no label: what several processes see has one fingerprint, by which a receiver knows it to be the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Told;

/// One post.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'static str,
    group_labels: BTreeMap<&'static str, String>,
    common_labels: BTreeMap<&'static str, String>,
    common_annotations: BTreeMap<&'static str, String>,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<Entry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    status: &'static str,
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: Timestamp,
    /// The year 1 while it fires, as Alertmanager has it.
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

const FIRING: &str = "firing";
const RESOLVED: &str = "resolved";
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";

impl Document {
    /// Of alerts of one name, as told by the process at that URL.
    #[must_use]
    pub fn new(told: &[Told], url: &str) -> Self {
        let alerts: Vec<Entry> = told.iter().map(|told| Entry::new(told, url)).collect();
        let name = told.first().map_or("", |told| told.alert.name);
        let fires = alerts.iter().any(|alert| alert.status == FIRING);
        Self {
            version: "4",
            group_key: format!("{{}}:{{alertname=\"{name}\"}}"),
            truncated_alerts: 0,
            status: if fires { FIRING } else { RESOLVED },
            receiver: "prepnexus",
            group_labels: BTreeMap::from([("alertname", name.to_owned())]),
            common_labels: common(&alerts, |alert| &alert.labels),
            common_annotations: common(&alerts, |alert| &alert.annotations),
            external_url: url.to_owned(),
            alerts,
        }
    }
}

impl Entry {
    fn new(told: &Told, url: &str) -> Self {
        let alert = &told.alert;
        let mut labels = BTreeMap::from([
            ("alertname", alert.name.to_owned()),
            ("job", "prepnexus".to_owned()),
            ("severity", alert.urgency.as_str().to_owned()),
        ]);
        if let Some((label, value)) = &alert.of {
            labels.insert(label, value.clone());
        }
        let annotations = BTreeMap::from([
            ("instance", url.to_owned()),
            (
                "runbook",
                format!("docs/RUNBOOK.md#{}", alert.name.to_ascii_lowercase()),
            ),
            ("summary", alert.summary.clone()),
        ]);
        let ends_at = told
            .ended_at
            .map_or_else(|| NOT_ENDED.to_owned(), |at| at.to_string());
        Self {
            status: if told.ended_at.is_some() {
                RESOLVED
            } else {
                FIRING
            },
            fingerprint: fingerprint(&labels),
            labels,
            annotations,
            starts_at: told.started_at,
            ends_at,
            generator_url: format!("{url}/dashboard"),
        }
    }
}

/// What all have in common.
fn common(
    alerts: &[Entry],
    of: impl Fn(&Entry) -> &BTreeMap<&'static str, String>,
) -> BTreeMap<&'static str, String> {
    let Some(first) = alerts.first() else {
        return BTreeMap::new();
    };
    let mut common = of(first).clone();
    common.retain(|name, value| {
        alerts
            .iter()
            .all(|alert| of(alert).get(name) == Some(value))
    });
    common
}

/// FNV-1a over names and values, each with a byte after it that no text has: how Prometheus makes the fingerprint of labels.
fn fingerprint(labels: &BTreeMap<&'static str, String>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let texts = labels
        .iter()
        .flat_map(|(name, value)| [*name, value.as_str()]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:016x}")
}
