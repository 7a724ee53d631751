//! Somebody who is told: a small HTTP server that keeps what is posted to it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

use serde_json::Value;

use crate::{process::eventually, prometheus::is_of};

/// One post.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// Request line and headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Post {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether it is about alerts of that name, and that they are `status`.
    pub(crate) fn tells(&self, alert: &str, status: &str) -> bool {
        let sent = self.json();
        sent["groupLabels"]["alertname"] == alert && sent["status"] == status
    }
}

/// The server; it ends with the process.
pub(crate) struct Receiver {
    port: u16,
    answers: Arc<AtomicU16>,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            answers: Arc::new(AtomicU16::new(200)),
            posts: Arc::default(),
        };
        let (answers, posts) = (Arc::clone(&receiver.answers), Arc::clone(&receiver.posts));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, posts) = (Arc::clone(&answers), Arc::clone(&posts));
                thread::spawn(move || serve(stream.unwrap(), &answers, &posts));
            }
        });
        receiver
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A Sentry project of its own.
    pub(crate) fn dsn(&self) -> String {
        format!("http://the-key@127.0.0.1:{}/42", self.port)
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.answers.store(status, Ordering::Relaxed);
    }

    /// All that was posted.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// Whether [such an alert](is_of) fires, for all that was told.
    pub(crate) fn fires(&self, alert: &str) -> bool {
        let mut firing = BTreeMap::new();
        for post in self.posts() {
            for one in post.json()["alerts"].as_array().unwrap() {
                if is_of(&one["labels"], alert) {
                    firing.insert(one["fingerprint"].to_string(), one["status"] == "firing");
                }
            }
        }
        firing.into_values().any(|fires| fires)
    }

    /// The first post that is so, when it has come.
    pub(crate) fn wait_for(&self, what: &str, is_it: impl Fn(&Post) -> bool) -> Post {
        let mut found = None;
        eventually(what, || {
            found = self.posts().into_iter().find(&is_it);
            found.is_some()
        });
        found.unwrap()
    }
}

fn serve(stream: TcpStream, answers: &AtomicU16, posts: &Mutex<Vec<Post>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        posts.lock().unwrap().push(Post { head, body });
        let status = answers.load(Ordering::Relaxed);
        let answer = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
        writer.write_all(answer.as_bytes()).unwrap();
    }
}
