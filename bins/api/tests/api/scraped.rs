//! That all metrics, and all labels, which the rules and the dashboard ask for are those of a running service.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use prepnexus_testkit::TestDb;
use serde_json::Value;

use crate::{
    process::{Served, api, ask, database, eventually, psql, run},
    prometheus::{Prometheus, repository},
};

/// Metrics, and the labels that each has.
type Metrics = BTreeMap<String, BTreeSet<String>>;

/// Those that a service without TLS, on a server that does not archive, does not have, and why.
const ELSEWHERE: [(&str, &[&str]); 2] = [
    // With TLS to the database: crates/storage/tests/storage/tls.rs looks for it.
    (
        "prepnexus_db_certificate_expiry_timestamp_seconds",
        &["host"],
    ),
    // With an archiver: bins/backup/tests/backup/faults.rs looks at what the alert makes of it.
    ("prepnexus_backup_archive_age_seconds", &[]),
];

/// What Prometheus adds to whatever it scrapes.
const ADDED: [&str; 2] = ["job", "instance"];

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == ':'
}

/// The metrics in the text format, with their labels.
fn scraped(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(end) = line.find(['{', ' ']) else {
            continue;
        };
        let labels = metrics.entry(line[..end].to_owned()).or_default();
        if line[end..].starts_with('{') {
            labels.extend(label_names(&line[end..]));
        }
    }
    metrics
}

/// The names before the operators in the braces that `text` begins with.
fn label_names(text: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    for character in text[1..].chars() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '}' => break,
            '=' | '!' if !name.is_empty() => names.push(std::mem::take(&mut name)),
            _ if is_name(character) => name.push(character),
            _ => {}
        }
    }
    names
}

/// The metrics that an expression asks for, each with the labels it is chosen by; and the labels that are grouped by.
fn asked_for(expression: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let mut metrics = Vec::new();
    let is_begin = |at: usize| !expression[..at].ends_with(is_name);
    let begins = expression.match_indices("prepnexus_").map(|(at, _)| at);
    for begin in begins.filter(|at| is_begin(*at)) {
        let rest = &expression[begin..];
        let (name, after) = rest.split_at(rest.find(|one| !is_name(one)).unwrap_or(rest.len()));
        let labels = if after.starts_with('{') {
            label_names(after)
        } else {
            Vec::new()
        };
        metrics.push((name.to_owned(), labels));
    }
    let groups = expression.split(" by (").skip(1);
    let groups = groups.filter_map(|group| group.split_once(')'));
    let grouped = groups.flat_map(|(labels, _)| labels.split(", ").map(str::to_owned));
    (metrics, grouped.collect())
}

#[test]
fn expressions_are_taken_apart() {
    let (metrics, grouped) = asked_for(
        r#"histogram_quantile(0.9, sum by (job, le) (rate(prepnexus_a_bucket{x=~"y{z}", w!="v"}[5m]))) / job:prepnexus_b:rate5m > prepnexus_c"#,
    );
    let wanted = [
        ("prepnexus_a_bucket", vec!["x", "w"]),
        ("prepnexus_c", vec![]),
    ];
    let found: Vec<_> = metrics
        .iter()
        .map(|(name, labels)| (name.as_str(), labels.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(found, wanted);
    assert_eq!(grouped, ["job", "le"]);
}

/// The expressions of the dashboard, wherever they are in it.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" || name == "query" => {
                        found.push(text.clone());
                    }
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// A process that has a replica and Redis, and has done a little of everything.
fn well_used(db: &TestDb) -> Served {
    let made = run(api(db).args(["keys", "create", "--role", "author", "--name", "A"]));
    let nodes = db.config_with_replicas().nodes;
    let ports: Vec<_> = nodes.iter().map(|node| node.port.to_string()).collect();
    assert!(ports.len() > 1, "there is a replica");
    let mut command = api(db);
    command.env("DB_PORT", ports.join(","));
    command.env("DB_HOST", vec!["127.0.0.1"; ports.len()].join(","));
    command.env(
        "REDIS_PORT",
        prepnexus_testkit::stack().redis().port().to_string(),
    );
    psql(
        db,
        "INSERT INTO backup_runs (id, action, runner, started_at, ended_at, recovery_point_seconds, recovery_time_seconds)
         VALUES ('1', 'full', 'a-1', now(), now(), NULL, NULL), ('2', 'drill', 'a-1', now(), now(), 20, 5);
         UPDATE backup_scheduler SET beat_at = now()",
    );
    let served = Served::start(command);
    served.wait_until_ready();
    let body = r#"{"title":"Read","content":"Some.","status":"published"}"#;
    let request = format!(
        "POST /api/v1/posts HTTP/1.0\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        made.stdout.trim(),
        body.len()
    );
    assert_eq!(ask(served.port, &request).0, 201);
    assert_eq!(served.get("/api/v1/posts/slug/read").0, 200);
    served
}

#[test]
fn what_rules_and_dashboard_ask_for_is_in_the_metrics_of_a_running_service() {
    let db = database();
    let served = well_used(&db);
    let prometheus = Prometheus::watching(served.port);
    let mut asked: Vec<String> = prometheus
        .rules()
        .iter()
        .map(|rule| rule["query"].as_str().unwrap().to_owned())
        .collect();
    let dashboard = fs::read_to_string(repository("deploy/grafana/prepnexus.json")).unwrap();
    expressions(&serde_json::from_str(&dashboard).unwrap(), &mut asked);
    assert!(asked.len() > 60, "{asked:#?}");
    let mut faults = Vec::new();
    // What is grouped by on one side of an `or` is none of the other's business. Some are there as soon as something was looked at for the first time.
    eventually("every metric", || {
        let mut metrics = scraped(&served.get("/metrics").1);
        for (name, labels) in ELSEWHERE {
            let labels = labels.iter().map(|label| (*label).to_owned());
            metrics.insert(name.to_owned(), labels.collect());
        }
        faults = asked
            .iter()
            .flat_map(|one| one.split(" or "))
            .flat_map(|one| missing(one, &metrics))
            .collect();
        faults.is_empty() || {
            eprintln!("{faults:#?}");
            false
        }
    });
}

/// What `expression` asks for and `metrics` have not.
fn missing(expression: &str, metrics: &Metrics) -> Vec<String> {
    let (asked, grouped) = asked_for(expression);
    let mut faults = Vec::new();
    for (name, labels) in &asked {
        let Some(known) = metrics.get(name) else {
            faults.push(format!("no {name}: {expression}"));
            continue;
        };
        let labels = labels.iter().chain(&grouped);
        let unknown =
            labels.filter(|label| !known.contains(*label) && !ADDED.contains(&label.as_str()));
        faults.extend(unknown.map(|label| format!("{name} has no {label}: {expression}")));
    }
    faults
}
