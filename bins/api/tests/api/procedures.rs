//! The procedure of docs/DISASTER_RECOVERY.md that goes through the service.

use std::process::Command;

use prepnexus_testkit::commands;

use crate::process::{Served, api, ask, database, run};

#[test]
fn an_overwritten_article() {
    let db = database();
    let served = Served::start(api(&db));
    served.wait_until_ready();
    let mut keys = api(&db);
    keys.args(["keys", "create", "--role", "editor", "--name", "The editor"]);
    let key = run(&mut keys).stdout.trim().to_owned();
    let send = |method: &str, target: &str, more: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.0\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}"
        );
        ask(served.port, &format!("{head}\r\n{body}"))
    };
    let (status, created) = send(
        "POST",
        "/api/v1/posts",
        "",
        r#"{"title": "Heaps", "content": "The work of weeks.", "status": "published"}"#,
    );
    assert_eq!(status, 201, "{created}");
    let id = created
        .split("\"id\":")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .to_owned();
    let target = format!("/api/v1/posts/{id}");
    let (status, answer) = send(
        "PATCH",
        &target,
        "if-match: *\r\n",
        r#"{"content": "Oops."}"#,
    );
    assert_eq!(status, 200, "{answer}");

    let script = commands("DISASTER_RECOVERY.md", "An overwritten article");
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", &script])
        .env("POST", &id)
        .env("REVISION", "1")
        .env("API", format!("http://127.0.0.1:{}", served.port))
        .env("KEY", &key);
    let ran = run(&mut command);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("The work of weeks."), "{}", ran.stdout);
    let (_, now) = send("GET", &target, "", "");
    assert!(
        now.contains("The work of weeks.") && now.contains("\"revision\":3"),
        "{now}"
    );
}
