//! A server of the test's own, and what it stands on.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, OnceLock},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;
use prepnexus_content::{CacheConfig, Content, Watch};
use prepnexus_domain::{Clock, Role, SystemClock};
use prepnexus_health::{Health, Recent};
use prepnexus_storage::{Cluster, ClusterConfig};
use prepnexus_testkit::{TestDb, wait_until};
use prepnexus_web::{AppState, Instruments, Server, Watchers, WebConfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::client::{Answer, Call};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs what is asynchronous: the tests are not, so that a blocking client blocks nobody else.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    });
    RUNTIME.block_on(future)
}

/// Asks until the condition holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    block_on(wait_until(what, PATIENCE, async || condition()));
}

/// A clock that stands still until a test moves it.
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// The recorder of the whole process: metrics go to one place, whoever's they are.
fn instruments() -> (PrometheusHandle, Recent) {
    static HANDLES: OnceLock<(PrometheusHandle, Recent)> = OnceLock::new();
    let install = || {
        let instruments = Instruments::default();
        metrics::set_global_recorder(instruments.recorder).unwrap();
        prepnexus_web::metric::describe_metrics();
        prepnexus_storage::describe_metrics();
        prepnexus_health::describe_metrics();
        (instruments.prometheus, instruments.recent)
    };
    HANDLES.get_or_init(install).clone()
}

/// The limits that no busy machine exceeds.
pub(crate) fn patient() -> WebConfig {
    WebConfig {
        request_timeout: PATIENCE,
        header_timeout: PATIENCE,
        ..WebConfig::default()
    }
}

/// A server that listens, with a database that nobody else uses.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: Option<SocketAddr>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) content: Content,
    pub(crate) agent: ureq::Agent,
    running: Option<(Server, Watch, Cluster)>,
    db: Option<TestDb>,
}

impl Api {
    pub(crate) fn start() -> Self {
        Self::with(patient())
    }

    pub(crate) fn with(config: WebConfig) -> Self {
        let db = block_on(TestDb::new());
        // A busy machine is slow to answer, and not away.
        let patient = ClusterConfig {
            probe_timeout: PATIENCE,
            default_deadline: PATIENCE,
            ..db.config()
        };
        let mut api = Self::on(&patient, config);
        api.db = Some(db);
        api
    }

    /// A server over any cluster.
    pub(crate) fn on(cluster: &ClusterConfig, config: WebConfig) -> Self {
        let now = SystemClock.now();
        let clock = Arc::new(TestClock(Mutex::new(now)));
        // Before all that counts with it.
        let (prometheus, recent) = instruments();
        block_on(async {
            let dyn_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
            let cluster = Cluster::start(cluster).unwrap();
            let content = Content::new(
                cluster.clone(),
                None,
                Arc::clone(&dyn_clock),
                CacheConfig::default(),
            );
            let health = Health::new(&dyn_clock, recent);
            let watch = Watch::spawn(&content, &health);
            let state = AppState {
                content: content.clone(),
                health,
                prometheus,
                version: "1.2.3",
                started: Instant::now(),
                draining: Arc::default(),
                watchers: Watchers::default(),
                config: Arc::new(WebConfig {
                    port: 0,
                    shutdown_timeout: Duration::from_secs(1),
                    ..config
                }),
            };
            let server = Server::start(&state).unwrap();
            Self {
                address: server.address(),
                admin_address: server.admin_address(),
                clock,
                content,
                agent: agent(),
                running: Some((server, watch, cluster)),
                db: None,
            }
        })
    }

    /// Waits until the service says of itself that all is well.
    pub(crate) fn wait_until_healthy(&self) {
        eventually("healthy", || self.get("/health").status == 200);
    }

    pub(crate) fn db(&self) -> &TestDb {
        self.db.as_ref().unwrap()
    }

    /// A new key of that role.
    pub(crate) fn key(&self, role: Role) -> String {
        let name = format!("The {role}");
        self.key_named(role, &name).0
    }

    /// A new key, and its number.
    pub(crate) fn key_named(&self, role: Role, name: &str) -> (String, i64) {
        let new = block_on(
            self.content
                .keys()
                .create(name, role, self.content.deadline()),
        );
        let new = new.unwrap();
        (new.text, new.key.id)
    }

    pub(crate) fn call(&self, method: &str, target: &str) -> Call<'_> {
        Call::new(self, method, target)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.call("GET", target).send()
    }

    /// An answer that the document says nothing about.
    pub(crate) fn call_unchecked(&self, method: &str, target: &str) -> Answer {
        self.call(method, target).send_unchecked()
    }

    /// A new post with these fields, beside a title and content where they are not among them.
    pub(crate) fn post(&self, key: &str, fields: &Value) -> Value {
        let mut body = json!({"title": "A post", "content": "Some content."});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let answer = self.call("POST", "/api/v1/posts").key(key).json(&body);
        answer.send().expect(201).json()
    }

    /// The post of that number as the holder of `key` sees it.
    pub(crate) fn read(&self, key: &str, id: &Value) -> Answer {
        let target = format!("/api/v1/posts/{id}");
        self.call("GET", &target).key(key).send().expect(200)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let Some((server, watch, cluster)) = self.running.take() else {
            return;
        };
        // Idle connections would be waited for.
        self.agent = agent();
        block_on(async {
            server.stop().await;
            watch.stop().await;
            self.content.close().await;
            cluster.close().await;
        });
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent()
}
