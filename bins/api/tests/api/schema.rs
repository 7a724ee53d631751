//! A schema that the binary doesn't know is refused; one that is more than it knows is not.

use prepnexus_devstack::Proxy;
use prepnexus_testkit::{TestDb, stack};

use crate::process::{Served, api, ask, database, psql, repeating, run};

#[test]
fn a_schema_that_lacks_a_migration_is_refused_by_its_name() {
    let db = database();
    psql(&db, "DELETE FROM schema_migrations WHERE version IN (2, 4)");
    let ran = run(&mut api(&db));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let said = "the database lacks migrations that this version needs: 0002_service.sql, 0004_change_beat.sql; run `migrator up`";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);

    psql(&db, "DROP TABLE schema_migrations");
    let ran = run(&mut api(&db));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("needs: 0001_content.sql, 0002"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_schema_that_a_later_version_has_widened_is_served() {
    let db = database();
    psql(
        &db,
        "INSERT INTO schema_migrations SELECT 9999, 'later', checksum, now(), 1 FROM schema_migrations LIMIT 1;
         ALTER TABLE posts ADD COLUMN later text",
    );
    let served = Served::start(api(&db));
    served.wait_until_ready();
    assert_eq!(served.get("/api/v1/posts").0, 200);
}

#[test]
fn requests_go_on_while_the_schema_is_widened() {
    let db = database();
    let key = run(api(&db).args(["keys", "create", "--role", "author", "--name", "A"]));
    let key = key.stdout.trim().to_owned();
    let served = Served::start(api(&db));
    served.wait_until_ready();
    let mut answers = Vec::new();
    let write_and_read = || {
        let body = format!(r#"{{"title":"Title {}","content":"x"}}"#, answers.len());
        let write = format!(
            "POST /api/v1/posts HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        answers.push(ask(served.port, &write).0);
        let page = 1 + answers.len() % 100;
        let read = format!(
            "GET /api/v1/posts?limit={page}&include_total=true HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        );
        answers.push(ask(served.port, &read).0);
    };
    repeating([write_and_read], || {
        for number in 0..10 {
            for table in [
                "posts",
                "authors",
                "tags",
                "post_tags",
                "post_views",
                "change_events",
            ] {
                psql(
                    &db,
                    &format!("ALTER TABLE {table} ADD COLUMN later_{number} text DEFAULT 'x'"),
                );
            }
        }
    });
    println!("{} answers while 60 columns were added", answers.len());
    assert!(answers.len() > 20, "{}", answers.len());
    assert!(
        answers.iter().all(|status| [200, 201].contains(status)),
        "{answers:?}"
    );
}

#[test]
fn a_schema_that_is_seen_later_is_refused_then() {
    let db: TestDb = database();
    psql(&db, "DELETE FROM schema_migrations WHERE version = 3");
    let proxy = Proxy::start(stack().primary().addr()).unwrap();
    proxy.refuse();
    let mut command = api(&db);
    command.env("DB_PORT", proxy.addr().port().to_string());
    let served = Served::start(command);
    assert_eq!(served.get("/health/live").0, 200);
    proxy.restore();
    let (status, lines) = served.wait();
    assert_eq!(status.code(), Some(1));
    assert!(
        lines.last().unwrap().contains("0003_grants.sql"),
        "{lines:?}"
    );
}
