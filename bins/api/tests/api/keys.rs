//! `api keys`.

use crate::process::{Ran, Served, api, ask, bare, database, run};

fn keys(db: &prepnexus_testkit::TestDb, arguments: &[&str]) -> Ran {
    run(api(db).arg("keys").args(arguments))
}

#[test]
fn a_key_is_printed_once_alone_and_works_until_it_is_revoked() {
    let db = database();
    let made = keys(&db, &["create", "--role", "editor", "--name", "Ada L"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = made.stdout.strip_suffix('\n').unwrap();
    assert!(key.starts_with("pnx_") && key.len() == 47 && !key.contains(char::is_whitespace));
    assert!(!made.stderr.contains(key), "not where logs go");

    let listed = keys(&db, &["list"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let line = listed.stdout.lines().nth(1).unwrap();
    assert!(line.contains("editor") && line.ends_with("Ada L"), "{line}");
    assert!(!listed.stdout.contains(key) && !listed.stdout.contains(&key[4..]));
    let id = line.split_whitespace().next().unwrap();

    let served = Served::start(api(&db));
    served.wait_until_ready();
    let request = format!("GET /api/v1/tags HTTP/1.0\r\nauthorization: Bearer {key}\r\n\r\n");
    assert_eq!(ask(served.port, &request).0, 200);
    let revoked = keys(&db, &["revoke", id]);
    assert_eq!(
        (revoked.code, revoked.stdout.as_str()),
        (0, ""),
        "{}",
        revoked.stderr
    );
    assert_eq!(ask(served.port, &request).0, 401);
    assert!(
        !keys(&db, &["list"])
            .stdout
            .lines()
            .nth(1)
            .unwrap()
            .contains(" -  ")
    );

    for id in [id, "4711"] {
        let again = keys(&db, &["revoke", id]);
        assert_eq!(again.code, 1);
        let said = format!("key {id} is not revoked");
        let last = again.stderr.lines().last().unwrap();
        assert!(last.contains("ERROR") && last.contains(&said), "{last}");
    }
}

#[test]
fn what_no_key_can_be_is_a_matter_of_usage() {
    let long = "x".repeat(121);
    for (arguments, named) in [
        (vec!["create", "--name", "A"], "--role"),
        (vec!["create", "--role", "king", "--name", "A"], "--role"),
        (vec!["create", "--role", "admin"], "--name"),
        (vec!["create", "--role", "admin", "--name", ""], "--name"),
        (vec!["create", "--role", "admin", "--name", " "], "--name"),
        (
            vec!["create", "--role", "admin", "--name", "a\nb"],
            "--name",
        ),
        (vec!["create", "--role", "admin", "--name", &long], "--name"),
        (vec!["revoke", "x"], "ID"),
        (vec!["revoke"], "ID"),
        (vec!["burn"], "burn"),
        (vec![], ""),
    ] {
        let ran = run(bare().arg("keys").args(&arguments));
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(named), "{named}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn without_a_database_no_key_is_made_and_the_reason_is_said() {
    let port = crate::process::free_port().to_string();
    let mut command = bare();
    command.env("DB_PORT", port).env("DB_DEADLINE", "5s");
    let ran = run(command.args(["keys", "create", "--role", "admin", "--name", "A"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("no primary is available"),
        "{}",
        ran.stderr
    );
}
