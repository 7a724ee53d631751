//! Hints over Redis that something has changed, so that other processes look sooner. Nothing depends on one: it may be lost,
//! late, or about nothing.

use std::{sync::Arc, time::Duration};

use bb8_redis::redis::{PushInfo, PushKind, cmd};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{RedisPool, connector::Connector, handle::Handle};

/// How often the listening connection is tried: a frozen server sends nothing, and says nothing of it.
const CHECK: Duration = Duration::from_secs(1);
const CHECK_LIMIT: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One channel of hints, told and heard. It has a connection of its own, replaced when it is lost.
#[derive(Debug)]
pub struct Hints {
    pool: RedisPool,
    channel: Arc<str>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Hints {
    /// Begins to listen on `channel`. `on_hint` is called for each hint, one's own too, and whenever some may have been
    /// missed; it must not wait.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn listen(
        pool: RedisPool,
        channel: impl Into<Arc<str>>,
        on_hint: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let channel = channel.into();
        let connector = pool.shared.connector.clone();
        let listening = listen_on(connector, Arc::clone(&channel), Arc::new(on_hint));
        tasks.spawn(stop.clone().run_until_cancelled_owned(listening));
        Self {
            pool,
            channel,
            tasks,
            stop,
        }
    }

    /// Tells all who listen, this process too. Nobody waits for it.
    pub fn tell(&self) {
        let (pool, channel) = (self.pool.clone(), Arc::clone(&self.channel));
        self.tasks.spawn(async move {
            let mut command = cmd("PUBLISH");
            command.arg(&*channel).arg("");
            // Not told is not wrong: the others look by themselves.
            let _told: Result<i64, _> = pool.run(&command).await;
        });
    }

    /// Stops listening, and waits for what is being told.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

type OnHint = Arc<dyn Fn() + Send + Sync>;

async fn listen_on(connector: Connector, channel: Arc<str>, on_hint: OnHint) {
    let mut pause = FIRST_PAUSE;
    loop {
        let lost = Arc::new(Notify::new());
        if let Some(connection) = subscribe(&connector, &channel, &on_hint, &lost).await {
            pause = FIRST_PAUSE;
            // What was told until now was told to nobody.
            on_hint();
            while_it_lasts(connection, &channel, &lost).await;
        }
        sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn subscribe(
    connector: &Connector,
    channel: &str,
    on_hint: &OnHint,
    lost: &Arc<Notify>,
) -> Option<Handle> {
    let (on_hint, lost) = (Arc::clone(on_hint), Arc::clone(lost));
    let on_push = move |push: &PushInfo| match push.kind {
        PushKind::Message => on_hint(),
        PushKind::Disconnection => lost.notify_one(),
        _ => {}
    };
    let mut connection = connector.open(Arc::new(on_push)).await.ok()?;
    let subscribed = timeout(CHECK_LIMIT, connection.subscribe(channel)).await;
    subscribed.ok()?.ok()?;
    Some(connection)
}

/// Until it is lost, or does not answer in time.
async fn while_it_lasts(mut connection: Handle, channel: &str, lost: &Notify) {
    while timeout(CHECK, lost.notified()).await.is_err() {
        let answer = timeout(CHECK_LIMIT, connection.subscribe(channel));
        if !matches!(answer.await, Ok(Ok(()))) {
            return;
        }
    }
}
