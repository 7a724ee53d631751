//! Settings that can't be used stop the program before it listens.

use crate::process::{api, bare, database, free_port, run};

#[test]
fn a_wrong_setting_is_one_line_that_names_it_and_exit_code_2() {
    let same = free_port().to_string();
    for (variable, value) in [
        ("DB_PORT", "x"),
        ("DB_PORT", "0"),
        ("DB_PORT", "5432,70000"),
        ("DB_HOST", "a b"),
        ("DB_HOST", ""),
        ("DB_SSLMODE", "maybe"),
        ("DB_SSLMODE", "verify-full"),
        ("DB_POOL_SIZE", "0"),
        ("DB_PASSWORD_FILE", "/no/such/file"),
        ("DATABASE_URL", "mysql://a"),
        ("REDIS_URL", "http://a"),
        ("REDIS_PORT", "-1"),
        ("API_PORT", "99999"),
        ("API_HOST", "http://a"),
        ("ADMIN_PORT", same.as_str()),
        ("REQUEST_TIMEOUT", "5"),
        ("BODY_LIMIT", "much"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ] {
        let mut command = bare();
        command.env("API_PORT", &same).env(variable, value);
        let ran = run(&mut command);
        assert_eq!(ran.code, 2, "{variable}={value}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        let named = match (variable, value) {
            ("DB_SSLMODE", "verify-full") => "DB_SSLROOTCERT",
            _ => variable,
        };
        assert!(ran.stderr.contains(named), "{variable}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn an_unknown_flag_or_command_is_a_matter_of_usage() {
    for argument in ["--colour", "run", "-x"] {
        let ran = run(bare().arg(argument));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(argument), "{}", ran.stderr);
    }
}

#[test]
fn help_lists_every_setting_and_no_value_of_a_secret() {
    let db = database();
    let mut command = api(&db);
    command.env("REDIS_PASSWORD", "hunter2hunter2");
    let ran = run(command.arg("--help"));
    assert_eq!(ran.code, 0);
    for setting in [
        "DB_HOST",
        "DB_PORT",
        "DB_NAME",
        "DB_USER",
        "DB_PASSWORD",
        "DB_PASSWORD_FILE",
        "DB_SSLMODE",
        "DB_SSLROOTCERT",
        "DATABASE_URL",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_PASSWORD",
        "REDIS_URL",
        "API_HOST",
        "API_PORT",
        "ADMIN_PORT",
        "LOG_FORMAT",
        "LOG_LEVEL",
    ] {
        assert!(ran.stdout.contains(setting), "{setting}");
    }
    assert!(!ran.stdout.contains("hunter2hunter2"));
    assert!(!ran.stdout.contains(crate::process::password(&db.config())));
}
