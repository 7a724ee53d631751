//! More is asked of the database than it can do: who is refused, how, and who notices nothing.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use prepnexus_domain::Role;
use prepnexus_testkit::stack;
use serde_json::json;

use crate::harness::{Api, eventually};

/// Far more than may be in and wait.
const READERS: usize = 80;
/// As many connections as the pool has may be in at most.
const MOST_INSIDE: usize = 16;

#[test]
fn what_the_database_cannot_do_is_refused_early_and_copies_are_served_all_the_while() {
    let api = Api::start();
    api.wait_until_healthy();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"status": "published"}));
    let kept = format!("/api/v1/posts/{}", post["id"]);
    let is_kept = || {
        let answer = api.get(&kept).expect(200);
        answer
            .header("cache-status")
            .unwrap()
            .ends_with("detail=memory")
    };
    eventually("a copy", is_kept);
    let psql = |sql: &str| stack().primary().psql_db(api.db().database(), sql);
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        let lock = "BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
        let holder = scope.spawn(move || psql(lock));
        let is_held = "SELECT count(*) FROM pg_locks WHERE relation = 'posts'::regclass AND mode = 'AccessExclusiveLock' AND granted";
        eventually("the lock", || psql(is_held).unwrap() == "1");
        let read = |number: usize| {
            let answer = api.get(&format!("/api/v1/posts/{}", 1_000 + number));
            if answer.status == 404 {
                return;
            }
            assert!(answer.header("retry-after").is_some());
            answer.problem(503, "overloaded");
            refused.fetch_add(1, Ordering::Relaxed);
        };
        let readers: Vec<_> = (0..READERS)
            .map(|number| scope.spawn(move || read(number)))
            .collect();
        eventually("those who are not inside are told", || {
            refused.load(Ordering::Relaxed) >= READERS - MOST_INSIDE
        });
        assert!(is_kept(), "the database is no reason to refuse a copy");
        api.get("/health/ready").expect(200);
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()";
        assert_eq!(psql(end).unwrap(), "1");
        assert!(holder.join().unwrap().is_err(), "it was ended");
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert!(refused.into_inner() < READERS, "who was inside is answered");
    api.get("/api/v1/posts/5000").expect(404);
}
