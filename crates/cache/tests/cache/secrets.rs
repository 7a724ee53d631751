//! The password goes to the server and nowhere else, whatever the server answers.

use anyhow::Result;
use prepnexus_cache::{RedisConfig, RedisPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{Redis, at};

const SECRET: &str = "hunter2-hunter2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_password_is_let_in_and_a_wrong_one_is_not_told() -> Result<()> {
    let redis = Redis::start()?;
    redis
        .server
        .cli(&["CONFIG", "SET", "requirepass", SECRET])?;
    let url = format!("redis://:{SECRET}@127.0.0.1:{}/2", redis.server.port());
    let limits = redis.patient_config();
    let config = RedisConfig {
        response_timeout: limits.response_timeout,
        checkout_timeout: limits.checkout_timeout,
        ..RedisConfig::from_url(&url)?
    };
    let pool = RedisPool::new(config.clone())?;
    pool.set("key", "value", 600_000).await?;
    assert!(pool.get("key").await?.is_some());

    let wrong = RedisConfig {
        password: Some("wrong-hunter2".into()),
        checkout_timeout: RedisConfig::default().checkout_timeout,
        ..config
    };
    let pool = RedisPool::new(wrong)?;
    let error = pool.get("key").await.expect_err("the password is wrong");
    assert!(error.is_unavailable(), "{error}");
    let shown = format!("{error} {error:?} {pool:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_echoes_what_it_was_sent_reveals_nothing() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (heard, mut hears) = mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut sent = vec![0; 1_000];
            let length = socket.read(&mut sent).await.unwrap_or(0);
            let sent = String::from_utf8_lossy(&sent[..length]).replace("\r\n", " ");
            let echo = format!("-ERR unknown command, with args beginning with: `{sent}`\r\n");
            // One reply for each command of the handshake.
            let _ = socket.write_all(echo.repeat(5).as_bytes()).await;
            let _ = heard.send(sent);
        }
    });
    let config = RedisConfig {
        password: Some(SECRET.into()),
        ..at("127.0.0.1", port)
    };
    let pool = RedisPool::new(config)?;
    let error = pool
        .get("key")
        .await
        .expect_err("it is no Redis that we know");
    let shown = format!("{error} {error:?} {pool:?}");
    assert!(
        shown.contains("ERR") && !shown.contains("hunter2"),
        "{shown}"
    );
    let sent = hears.recv().await.unwrap_or_default();
    assert!(sent.contains(SECRET), "the handshake brings it: {sent}");
    server.abort();
    Ok(())
}
