//! The operator's page in a browser: Chromium, driven by playwright-core.

use std::{
    collections::VecDeque,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use prepnexus_devstack::{Stack, StackConfig};
use prepnexus_domain::{Clock, SystemClock};
use prepnexus_testkit::{TestDb, node};
use serde_json::Value;

use crate::{
    process::{PATIENCE, Served, api, run},
    prometheus::repository,
};

/// Of last night: a backup, its check and its rehearsal.
const BACKUPS: &str = "
    INSERT INTO backup_runs (id, action, label, runner, started_at, ended_at, recovery_point_seconds, recovery_time_seconds)
    SELECT action, action, label, 'backup-1', now() - ago, now() - ago + took, lost, restored
    FROM (VALUES ('full', '20260103-010000F', '9 h'::interval, '13 s'::interval, NULL, NULL),
                 ('verify', NULL, '6 h', '4 s', NULL, NULL),
                 ('drill', NULL, '5 h', '21 s', 1.6::float8, 5.8::float8)) AS runs (action, label, ago, took, lost, restored);
    UPDATE backup_scheduler SET beat_at = now(), runner = 'backup-1'";

/// A script in a browser, and what it says.
struct Browser {
    child: Child,
    says: Receiver<Value>,
    heard: VecDeque<Value>,
}

impl Browser {
    /// Begins the script of that name, with what it needs from npm.
    fn start(script: &str, url: &str, key: &str) -> Self {
        let home = node("bins/api/tests/browser/package.json");
        let source = repository("bins/api/tests/browser").join(script);
        fs::copy(source, home.join(script)).unwrap();
        let mut child = Command::new("node")
            .current_dir(&home)
            .arg(script)
            .env("URL", url)
            .env("KEY", key)
            .env("PICTURES", &home)
            .env("CHROMIUM", chromium())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, says) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_listens = say.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self {
            child,
            says,
            heard: VecDeque::new(),
        }
    }

    fn tell(&mut self, words: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{words}").unwrap();
    }

    /// What it says of `what`, when it does.
    fn hear(&mut self, what: &str) -> Value {
        loop {
            let said = self.says.recv_timeout(2 * PATIENCE);
            let said = said.unwrap_or_else(|_| panic!("nothing of {what} after {:?}", self.heard));
            self.heard.push_back(said.clone());
            if said["what"] == what {
                return said;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn chromium() -> PathBuf {
    let path = env::split_paths("/usr/bin:/usr/local/bin");
    let names = ["chromium-headless-shell", "chromium"];
    let all = path.flat_map(|folder| names.map(|name| folder.join(name)));
    let mut there = all.filter(|file| file.exists());
    there.next().expect("a Chromium is installed")
}

/// On the clock that the script tells of.
fn now_ms() -> i64 {
    SystemClock.now().as_millisecond()
}

/// Faults that keep somebody from using it.
fn serious(said: &Value) -> Vec<&Value> {
    let faults = said["faults"].as_array().unwrap().iter();
    let is_serious =
        |fault: &&Value| matches!(fault["impact"].as_str(), Some("serious" | "critical"));
    faults.filter(is_serious).collect()
}

#[test]
fn the_page_shows_a_failover_as_it_happens_and_everybody_can_use_it() {
    let stack = Stack::start(StackConfig {
        replicas: 1,
        durable: true,
        ..StackConfig::for_tests()
    });
    let stack = stack.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let db = runtime.block_on(TestDb::on(&stack));
    runtime.block_on(db.psql(BACKUPS));
    let (primary, replica) = (stack.primary(), stack.replica(0));
    let mut command = api(&db);
    command
        .env("DB_PORT", format!("{},{}", primary.port(), replica.port()))
        .env("DB_PROBE_TIMEOUT", "1s");
    let served = Served::start(command);
    served.wait_until_ready();
    let made = run(api(&db).args(["keys", "create", "--role", "admin", "--name", "Operator"]));
    assert_eq!(made.code, 0, "{}", made.stderr);
    replica.wait_caught_up_with(primary).unwrap();

    let url = format!("http://127.0.0.1:{}", served.port);
    let mut browser = Browser::start("dashboard.mjs", &url, made.stdout.trim());
    for look in ["login", "light"] {
        let said = browser.hear(look);
        assert!(serious(&said).is_empty(), "{said}");
    }
    let stops = browser.hear("keyboard")["stops"].clone();
    let stops = stops.as_array().unwrap();
    let is_seen = |stop: &Value| !stop.as_str().unwrap().ends_with(":none");
    assert!(stops.len() >= 4 && stops.iter().all(is_seen), "{stops:?}");
    browser.hear("watching");

    // The words of the table's row: what it is, and how.
    let row = |port: u16, words: &str| format!("127.0.0.1:{port}{words}");
    primary.kill().unwrap();
    let killed = now_ms();
    browser.tell(&row(primary.port(), "primarydown"));
    let down = browser.hear("shown")["at"].as_i64().unwrap() - killed;
    replica.promote().unwrap();
    let promoted = now_ms();
    browser.tell(&row(replica.port(), "primaryup"));
    let up = browser.hear("shown")["at"].as_i64().unwrap() - promoted;
    println!("shown after {down} ms (primary killed) and {up} ms (replica promoted)");
    browser.tell("PrepnexusNodeAway, since");
    browser.hear("shown");
    browser.tell("end");
    let failover = browser.hear("failover");
    assert_eq!(failover["loads"], 0, "it was not loaded again");
    let changes = failover["changes"].as_str().unwrap();
    assert!(changes.contains("replica, up → primary, up"), "{changes}");
    let seen = browser.hear("seen");
    assert_eq!(seen["complaints"], Value::Array(Vec::new()));
    assert_eq!(seen["elsewhere"], Value::Array(Vec::new()));
    for look in ["dark", "phone"] {
        let said = browser.hear(look);
        assert!(serious(&said).is_empty(), "{said}");
        assert_eq!(said["complaints"], Value::Array(Vec::new()));
        assert!(
            said["wider"].as_i64() <= Some(0),
            "it fits the screen: {said}"
        );
    }
    assert!(browser.child.wait().unwrap().success());
}
