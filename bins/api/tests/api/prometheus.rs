//! Prometheus itself, with the rules of `deploy/prometheus`, watching one process every second.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{eventually, free_port, get};

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Whether these are the labels of such an alert: `name`, or `name{label}` where it must have that one.
pub(crate) fn is_of(labels: &Value, alert: &str) -> bool {
    let (name, label) = alert.split_once('{').unwrap_or((alert, "alertname"));
    labels["alertname"] == name && !labels[label.trim_end_matches('}')].is_null()
}

/// A server that scrapes and evaluates every second.
pub(crate) struct Prometheus {
    port: u16,
    child: Child,
    _data: TempDir,
}

impl Prometheus {
    /// Begins to scrape the process at `port`, as the job `prepnexus`.
    pub(crate) fn watching(port: u16) -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = data.path().join("prometheus.yml");
        let rules = repository("deploy/prometheus/rules");
        let text = format!(
            "{{global: {{scrape_interval: 1s, evaluation_interval: 1s}}, rule_files: ['{}/*.yml'], \
             scrape_configs: [{{job_name: prepnexus, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]}}",
            rules.canonicalize().unwrap().display()
        );
        fs::write(&config, text).unwrap();
        let own_port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{own_port}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self {
            port: own_port,
            child,
            _data: data,
        };
        eventually("a scrape", || prometheus.is_scraping());
        prometheus
    }

    fn is_scraping(&self) -> bool {
        let targets = self.ask("/api/v1/targets");
        let targets = targets["data"]["activeTargets"].as_array();
        let is_up = |target: &Value| target["health"] == "up";
        targets.is_some_and(|targets| targets.iter().all(is_up) && !targets.is_empty())
    }

    /// The labels of the alerts that fire now.
    pub(crate) fn firing(&self) -> Vec<Value> {
        let alerts = self.ask("/api/v1/alerts");
        let alerts = alerts["data"]["alerts"].as_array().into_iter().flatten();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        firing.map(|alert| alert["labels"].clone()).collect()
    }

    /// Whether [such a one](is_of) fires.
    pub(crate) fn fires(&self, alert: &str) -> bool {
        self.firing().iter().any(|labels| is_of(labels, alert))
    }

    /// All rules, as they were read.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let rules = self.ask("/api/v1/rules");
        let groups = rules["data"]["groups"].as_array().unwrap().iter();
        groups
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    /// Null while it does not listen.
    fn ask(&self, target: &str) -> Value {
        let answer = get(self.port, target);
        answer.map_or(Value::Null, |(_, body)| {
            serde_json::from_str(&body).unwrap_or_default()
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
