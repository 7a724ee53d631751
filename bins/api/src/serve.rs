//! Builds the service from its settings, runs it, and takes it down in order.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;
use prepnexus_cache::{RedisConfig, RedisMonitor, RedisPool};
use prepnexus_content::{CacheConfig, Content, Inspector, Janitor, ViewWriter, Watch};
use prepnexus_domain::{Clock, SystemClock};
use prepnexus_health::{Health, Severity, Status};
use prepnexus_storage::{Cluster, ClusterConfig};
use prepnexus_web::{AppState, Instruments, Listeners, Watchers, WebConfig};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{args::Args, descriptors, outbound::Outbound, schema};

const CACHE: &str = "cache";
const REDIS_PROBE_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) fn run(
    args: &Args,
    cluster: &ClusterConfig,
    redis: Option<RedisConfig>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(args, cluster, redis))
}

async fn serve(
    args: &Args,
    cluster: &ClusterConfig,
    redis: Option<RedisConfig>,
) -> anyhow::Result<()> {
    let (http, cache) = (&args.http, &args.cache);
    // Before anything listens, so that a signal is never lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let started = Instant::now();
    // First of all, so that a port that is taken is all there is to say.
    let config = Arc::new(web_config(args));
    let listeners = Listeners::bind(&config)?;
    descriptors::raise();
    let Instruments {
        recorder,
        prometheus,
        recent,
    } = Instruments::default();
    metrics::set_global_recorder(recorder).context("a metrics recorder is installed already")?;
    describe_metrics();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let health = Health::new(&clock, recent);
    let cluster = Cluster::start(cluster).context("the database settings can't be used")?;
    let is_known = schema::is_known(&cluster).await?;
    let redis = redis
        .map(RedisPool::new)
        .transpose()
        .context("the Redis settings can't be used")?;
    let content = Content::new(
        cluster.clone(),
        redis.clone(),
        Arc::clone(&clock),
        CacheConfig {
            memory_bytes: cache.cache_memory_bytes as u64,
            ..CacheConfig::default()
        },
    );
    let watch = Watch::spawn(&content, &health);
    let registry = &health.registry;
    let redis_watch =
        redis.map(|pool| RedisMonitor::spawn(pool, Arc::clone(registry), REDIS_PROBE_INTERVAL));
    if redis_watch.is_none() {
        registry.register(CACHE, Severity::Optional);
        registry.set(CACHE, Status::Healthy, None);
        registry.set_details(CACHE, BTreeMap::from([("tiers", "memory".to_owned())]));
    }
    let janitor = Janitor::spawn(content.clone());
    let inspector = Inspector::spawn(content.clone());
    let views = ViewWriter::spawn(content.clone());
    let state = AppState {
        content: content.clone(),
        health,
        prometheus,
        version: env!("CARGO_PKG_VERSION"),
        started,
        draining: Arc::default(),
        watchers: Watchers::default(),
        config,
    };
    let server = listeners.serve(&state)?;
    let (address, admin) = (server.address(), server.admin_address());
    let url = format!("http://{}", admin.unwrap_or(address));
    let outbound = Outbound::start(&args.outbound, &state.health, &url)?;
    tracing::info!(%address, ?admin, version = env!("CARGO_PKG_VERSION"), "listening");

    let unknown = async {
        if is_known {
            std::future::pending().await
        } else {
            schema::until_refused(&cluster).await
        }
    };
    let (signal, refused) = tokio::select! {
        signal = next(&mut terminate, &mut interrupt) => (signal, None),
        refused = unknown => ("none", Some(refused)),
    };
    tracing::info!(
        signal,
        "stopping: not ready any more, serving on for a moment, then finishing what is in flight"
    );
    state.draining.store(true, Ordering::Relaxed);
    // A second signal is in a hurry.
    let hurry = next(&mut terminate, &mut interrupt);
    let _hurried = tokio::time::timeout(http.shutdown_drain, hurry).await;
    server.stop().await;
    drop(outbound);
    janitor.stop().await;
    inspector.stop().await;
    views.stop().await;
    watch.stop().await;
    content.close().await;
    if let Some(watch) = redis_watch {
        watch.stop().await;
    }
    cluster.close().await;
    tracing::info!("stopped");
    refused.map_or(Ok(()), Err)
}

/// The name of the next signal that ends the process.
async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

fn describe_metrics() {
    prepnexus_web::metric::describe_metrics();
    prepnexus_content::describe_metrics();
    prepnexus_storage::describe_metrics();
    prepnexus_cache::describe_metrics();
    prepnexus_health::describe_metrics();
}

fn web_config(args: &Args) -> WebConfig {
    let http = &args.http;
    WebConfig {
        host: http.api_host.clone(),
        port: http.api_port,
        admin_port: http.admin_port,
        workers: http.workers(),
        body_limit: http.body_limit,
        request_timeout: http.request_timeout,
        keep_alive: http.keep_alive,
        trusted_proxies: http.trusted_proxies.clone(),
        traces: args.outbound.otlp_endpoint().is_some(),
        shutdown_timeout: http.shutdown_timeout,
        ..WebConfig::default()
    }
}
