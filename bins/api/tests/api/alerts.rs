//! The alerts of `deploy/prometheus`, by the tools that will read them, and with the faults they are about.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use prepnexus_devstack::{Proxy, Stack, StackConfig};
use prepnexus_testkit::TestDb;

use crate::{
    process::{PATIENCE, Served, api, ask, eventually, repeating, run, within},
    prometheus::{Prometheus, repository},
    receiver::Receiver,
};

/// Runs a checker of Debian's, and demands that it is content.
fn is_content(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn promtool_and_amtool_accept_rules_examples_and_tests() {
    let deploy = repository("deploy");
    let promtool = || {
        let mut command = Command::new("promtool");
        command.current_dir(deploy.join("prometheus"));
        command
    };
    is_content(promtool().args(["check", "rules", "rules/alerts.yml", "rules/recording.yml"]));
    is_content(promtool().args(["check", "config", "prometheus.example.yml"]));
    is_content(promtool().args(["test", "rules", "tests/alerts.yml"]));
    let example = deploy.join("alertmanager/alertmanager.example.yml");
    is_content(Command::new("amtool").arg("check-config").arg(example));
}

/// How often `alert` is expected to fire, and to be silent, in the tests of the rules.
fn expectations(tests: &str, alert: &str) -> (usize, usize) {
    let name = format!("alertname: {alert}");
    let lines: Vec<&str> = tests.lines().map(str::trim).collect();
    let next = lines.windows(2).filter(|pair| pair[0] == name);
    let expected: Vec<_> = next.map(|pair| pair[1]).collect();
    let count = |what| expected.iter().filter(|line| **line == what).count();
    (count("exp_alerts:"), count("exp_alerts: []"))
}

#[test]
fn each_alert_is_tested_both_ways_and_has_a_section_in_the_runbook() {
    let read = |path| fs::read_to_string(repository(path)).unwrap();
    let tests = read("deploy/prometheus/tests/alerts.yml");
    let runbook = read("docs/RUNBOOK.md");
    let rules = read("deploy/prometheus/rules/alerts.yml");
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in &alerts {
        let (fires, silent) = expectations(&tests, alert);
        assert!(
            fires > 0 && silent > 0,
            "{alert}: {fires} firing, {silent} silent"
        );
        let anchor = format!("runbook: docs/RUNBOOK.md#{}\n", alert.to_lowercase());
        assert_eq!(rules.matches(&anchor).count(), 1, "{anchor}");
        assert!(runbook.contains(&format!("\n## {alert}\n")), "{alert}");
    }
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    for section in sections {
        assert!(alerts.contains(&section), "{section} is no alert");
    }
}

/// A process over a primary, a replica behind a proxy, and Redis; what watches it, and whom it tells by itself.
struct Watched {
    stack: Stack,
    db: TestDb,
    to_replica: Proxy,
    served: Served,
    prometheus: Prometheus,
    receiver: Receiver,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Few connections, so that they can all be in use.
const POOL: usize = 3;

impl Watched {
    fn start() -> Self {
        let stack = Stack::start(StackConfig {
            replicas: 1,
            redis: true,
            durable: true,
            ..StackConfig::for_tests()
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let db = runtime.unwrap().block_on(TestDb::on(&stack));
        stack
            .replica(0)
            .wait_caught_up_with(stack.primary())
            .unwrap();
        let to_replica = Proxy::start(stack.replica(0).addr()).unwrap();
        let receiver = Receiver::start();
        let mut command = api(&db);
        command
            .env("ALERT_WEBHOOK_URL", receiver.url("/hook"))
            .env("DB_HOST", "127.0.0.1")
            .env(
                "DB_PORT",
                format!("{},{}", stack.primary().port(), to_replica.addr().port()),
            )
            .env("DB_POOL_SIZE", POOL.to_string())
            .env("DB_PROBE_TIMEOUT", "1s")
            .env("REDIS_PORT", stack.redis().port().to_string());
        let served = Served::start(command);
        served.wait_until_ready();
        let prometheus = Prometheus::watching(served.port);
        let watched = Self {
            stack,
            db,
            to_replica,
            served,
            prometheus,
            receiver,
        };
        let is_quiet = || watched.prometheus.firing().is_empty();
        eventually("no alert at first", is_quiet);
        watched
    }

    fn psql(&self, sql: &str) {
        self.stack
            .primary()
            .psql_db(self.db.database(), sql)
            .unwrap();
    }

    fn assert_silent(&self, alerts: &[&str]) {
        for alert in alerts {
            let fires = self.prometheus.fires(alert) || self.receiver.fires(alert);
            assert!(!fires, "{alert} fires before there is a reason");
        }
    }

    fn begin(&self, alerts: &[&str]) {
        for alert in alerts {
            let is_told = || self.prometheus.fires(alert) && self.receiver.fires(alert);
            within(PATIENCE + MINUTE, alert, is_told);
        }
    }

    fn end(&self, alerts: &[&str]) {
        self.end_after(Duration::ZERO, alerts);
    }

    /// Some are over only when the time is over that they are about.
    fn end_after(&self, time: Duration, alerts: &[&str]) {
        for alert in alerts {
            let is_over = || !self.prometheus.fires(alert) && !self.receiver.fires(alert);
            within(PATIENCE + time, &format!("the end of {alert}"), is_over);
        }
    }

    /// The alerts fire once `fault` is there, and not any more when `mended`.
    fn told(&self, alerts: &[&str], fault: impl FnOnce(), mended: impl FnOnce()) {
        self.assert_silent(alerts);
        fault();
        self.begin(alerts);
        mended();
        self.end(alerts);
    }

    /// The alerts fire while nobody else gets at `table`; `asking` is what asks for it meanwhile.
    fn told_while_locked<W: FnMut() + Send>(
        &self,
        table: &str,
        alerts: &[&str],
        asking: impl IntoIterator<Item = W>,
    ) {
        self.assert_silent(alerts);
        let lock = Locked::table(&self.stack, &self.db, table);
        repeating(asking, move || {
            self.begin(alerts);
            drop(lock);
        });
    }
}

/// A table that is locked until this is dropped.
struct Locked {
    holder: Child,
}

impl Locked {
    fn table(stack: &Stack, db: &TestDb, table: &str) -> Self {
        let mut psql = stack.primary().client("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", db.database()]);
        let piped = psql.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = piped.spawn().unwrap();
        let sql = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n");
        // It waits for more to do, until it is killed.
        let mut input = holder.stdin.as_ref().unwrap();
        input.write_all(sql.as_bytes()).unwrap();
        let mut said = String::new();
        let output = holder.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self { holder }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ended_already = self.holder.kill();
        let _reaped = self.holder.wait();
    }
}

#[test]
fn faults_are_told_by_their_alerts_and_their_end_as_well() {
    let watched = Watched::start();
    let made = run(api(&watched.db).args(["keys", "create", "--role", "author", "--name", "A"]));
    let key = made.stdout.trim();
    let write = |title: &str| {
        let body = format!(r#"{{"title":"{title}","content":"Some."}}"#);
        let length = body.len();
        let request = format!(
            "POST /api/v1/posts HTTP/1.0\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        ask(watched.served.port, &request).0
    };
    assert_eq!(write("All is well"), 201);

    // A defect: a constraint that the code knows nothing of.
    watched.psql("ALTER TABLE posts ADD CONSTRAINT no_storm CHECK (title <> 'Storm') NOT VALID");
    let storm = "PrepnexusErrorStorm";
    watched.assert_silent(&[storm]);
    let is_told = || {
        assert_eq!(write("Storm"), 500);
        watched.prometheus.fires(storm) && watched.receiver.fires(storm)
    };
    eventually(storm, is_told);
    watched.psql("ALTER TABLE posts DROP CONSTRAINT no_storm");

    // No more is let in than there are connections: which node's are all in use is chance.
    let crowded = ["PrepnexusShedding", "PrepnexusPoolSaturated{lane}"];
    let readers = (1..=4 * POOL).map(|reader| {
        // Each time another post: what is known not to be there is not asked for again.
        let mut posts = reader * 1_000_000..;
        let served = &watched.served;
        move || {
            let post = posts.next().unwrap();
            served.get(&format!("/api/v1/posts/{post}"));
        }
    });
    watched.told_while_locked("posts", &crowded, readers);

    let primary = watched.stack.primary();
    watched.told(
        &["PrepnexusNoPrimary"],
        || {
            // There is a copy to be shown when nobody can say that it is right.
            assert_eq!(watched.served.get("/api/v1/posts").0, 200);
            watched.assert_silent(&["PrepnexusStaleServed"]);
            watched.to_replica.cut();
            primary.kill().unwrap();
            let reading = || assert_eq!(watched.served.get("/api/v1/posts").0, 200);
            repeating([reading], || watched.begin(&["PrepnexusStaleServed"]));
        },
        || {
            primary.start().unwrap();
            watched.to_replica.restore();
        },
    );
    watched.told(
        &["PrepnexusCacheAway"],
        || watched.stack.redis().freeze(),
        || watched.stack.redis().thaw(),
    );
    watched.told(
        &["PrepnexusNodeAway", "PrepnexusBreakerOpen"],
        || watched.to_replica.cut(),
        || watched.to_replica.restore(),
    );
    let replica = watched.stack.replica(0);
    watched.told(
        &["PrepnexusReplicaLagging"],
        || replica.pause_replay().unwrap(),
        || replica.resume_replay().unwrap(),
    );
    let feed = ["PrepnexusFeedStopped"];
    // It is told whoever asks; this one sees that the process itself is well.
    let asking = || assert_eq!(watched.served.get("/health/live").0, 200);
    watched.told_while_locked("change_events", &feed, [asking]);
    watched.end(&feed);
    watched.told(
        &["PrepnexusNodeFenced"],
        || replica.promote().unwrap(),
        || primary.kill().unwrap(),
    );

    watched.end_after(MINUTE, &[storm, "PrepnexusPoolSaturated"]);
    watched.end_after(2 * MINUTE, &["PrepnexusStaleServed", "PrepnexusShedding"]);
    assert_eq!(write("All is well again"), 201);
}
