//! A real process with a real environment: exit codes, and what goes to which stream.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

fn run(variables: &[(&str, &[u8])], arguments: &[&str]) -> Output {
    // Examples are built beside the tests: target/<profile>/deps/<test>, target/<profile>/examples/<example>.
    let test = env::current_exe().expect("a test knows its own path");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a test is in target/<profile>/deps");
    let mut command = Command::new(profile.join("examples/show-settings"));
    command.env_clear().args(arguments);
    for (name, value) in variables {
        command.env(name, OsStr::from_bytes(value));
    }
    command
        .output()
        .expect("cargo test builds the examples too")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("the example prints text")
}

#[test]
fn variables_are_read_and_a_flag_wins() {
    let variables: [(&str, &[u8]); 2] = [("DB_HOST", b"a,b"), ("DB_PORT", b"1")];
    for (arguments, expected) in [
        (vec![], "a:1\nb:1\n"),
        (vec!["--db-port=2"], "a:2\nb:2\n"),
        (vec!["--db-port=2", "nodes"], "a:2\nb:2\n"),
        (vec!["nodes", "--db-port=2"], "a:2\nb:2\n"),
        (vec!["nodes"], "a:1\nb:1\n"),
    ] {
        let output = run(&variables, &arguments);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(text(&output.stdout), expected, "{arguments:?}");
        assert!(text(&output.stderr).contains("settings read"));
    }
}

#[test]
fn logging_obeys_its_settings() {
    let output = run(&[("LOG_FORMAT", b"json")], &[]);
    let line = text(&output.stderr);
    assert!(
        line.starts_with('{') && line.contains(r#""message":"settings read""#),
        "{line}"
    );
    let output = run(&[("LOG_LEVEL", b"warn")], &[]);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_bad_variable_ends_the_program_with_one_line() {
    for (name, value, line) in [
        (
            "DB_PORT",
            &b"70000"[..],
            "error: DB_PORT: \"70000\" is not accepted: expected a port, 1 to 65535\n",
        ),
        (
            "DATABASE_URL",
            b"mysql://me:geheim@a/db",
            "error: DATABASE_URL: the value is not accepted: must begin with postgresql://\n",
        ),
        (
            "DB_PASSWORD",
            b"geheim\xff",
            "error: DB_PASSWORD: the value is not accepted: expected UTF-8 text\n",
        ),
        (
            "DB_PASSWORD_FILE",
            b"/nowhere",
            "error: DB_PASSWORD_FILE: can't read \"/nowhere\": No such file or directory\n",
        ),
    ] {
        let output = run(&[(name, value)], &[]);
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(2), line)
        );
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn help_and_version_work_whatever_the_variables_are_and_show_no_value() {
    let bad: [(&str, &[u8]); 2] = [("DB_PORT", b"geheim"), ("DB_PASSWORD", b"geheim")];
    let output = run(&bad, &["--help"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let help = text(&output.stdout);
    assert!(
        help.contains("[env: DB_PASSWORD]") && !help.contains("geheim"),
        "{help}"
    );
    let output = run(&bad, &["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        format!("show-settings {}\n", env!("CARGO_PKG_VERSION"))
    );
}
