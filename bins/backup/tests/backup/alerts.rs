//! Which alerts fire: what the API measures of the records, judged by `promtool` with the rules of `deploy/prometheus`.

use std::{fmt::Write as _, fs, path::Path, process::Command, sync::Arc, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use prepnexus_content::{CacheConfig, Content};
use prepnexus_domain::{Clock, SystemClock};
use prepnexus_storage::{Cluster, Deadline};
use tokio::runtime::Runtime;

use crate::rig::Rig;

/// The names of the alerts that fire, in the order of the alphabet.
pub(crate) fn firing(runtime: &Runtime, rig: &Rig) -> Vec<String> {
    let text = measured(runtime, rig);
    let candidates = names(&rules());
    let fires = |name: &String| would_fire(rig, &text, name);
    candidates.into_iter().filter(fires).collect()
}

/// What the API says at /metrics of backups.
fn measured(runtime: &Runtime, rig: &Rig) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let cluster = {
        let _inside = runtime.enter();
        Cluster::start(&rig.db.config()).expect("the settings are right")
    };
    let content = {
        let _inside = runtime.enter();
        Content::new(
            cluster.clone(),
            None,
            Arc::new(SystemClock),
            CacheConfig::default(),
        )
    };
    // The gauges are set by the thread that waits here.
    metrics::with_local_recorder(&recorder, || {
        let looking = content.look_at_backups(Deadline::after(Duration::from_secs(10)));
        runtime.block_on(looking).expect("the primary answers");
    });
    runtime.block_on(async {
        content.close().await;
        cluster.close().await;
    });
    handle.render()
}

/// Asks promtool whether that alert fires, with these figures standing for a minute.
fn would_fire(rig: &Rig, text: &str, name: &str) -> bool {
    let mut test = format!(
        "rule_files: ['{}']\nevaluation_interval: 15s\ntests:\n- interval: 15s\n  input_series:\n",
        rules().display()
    );
    let now = SystemClock.now().as_second();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        // promtool's time begins at 0.
        let value: f64 = value.parse().expect("a number");
        let value = if series.contains("_timestamp_") {
            value - now as f64
        } else {
            value
        };
        let labels = series
            .split_once('{')
            .map_or("", |(_, labels)| labels.trim_end_matches('}'));
        let metric = series.split('{').next().unwrap_or_default();
        let _ = writeln!(
            test,
            "  - series: '{metric}{{job=\"prepnexus\", instance=\"a\", {labels}}}'"
        );
        let _ = writeln!(test, "    values: '{value}x8'");
    }
    let _ = write!(
        test,
        "  promql_expr_test:\n  - expr: count(ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}})\n    eval_time: 60s\n    exp_samples: []\n"
    );
    let path = rig.path("alerts-test.yml");
    fs::write(&path, test).expect("the directory is the test's");
    let output = Command::new("promtool")
        .args(["test", "rules"])
        .arg(&path)
        .output();
    let output = output.expect("promtool is installed");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let fires = said.contains("FAILED") && said.contains("got:");
    assert!(fires || output.status.success(), "{said}");
    fires
}

fn rules() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("deploy/prometheus/rules/alerts.yml")
        .canonicalize()
        .expect("the rules are in the repository")
}

/// The alerts that are about backups.
fn names(rules: &Path) -> Vec<String> {
    let text = fs::read_to_string(rules).expect("the rules are in the repository");
    let group = text
        .split("- name: prepnexus-backup")
        .nth(1)
        .expect("their group");
    let lines = group
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut names: Vec<String> = lines.map(str::to_owned).collect();
    names.sort_unstable();
    assert!(names.len() >= 7, "{names:?}");
    names
}
