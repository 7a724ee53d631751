//! Every bad value's one line.

use prepnexus_settings::SettingsError;

use crate::{parse, refused};

#[test]
fn a_bad_value_is_named_with_what_would_be_accepted() {
    const DURATION: &str = "expected a duration such as 500ms, 5s or 2m";
    const COUNT: &str = "expected a whole number, 1 or more";
    const PORT: &str = "expected a port, 1 to 65535";
    const HOST: &str = "expected a host name or an address, without a port";
    for (variable, value, expected) in [
        (
            "DB_HOST",
            "a,,b",
            "expected host names or addresses, separated by commas, without ports",
        ),
        (
            "DB_HOST",
            "a:5432",
            "expected host names or addresses, separated by commas, without ports",
        ),
        ("DB_PORT", "70000", PORT),
        ("DB_PORT", "0", PORT),
        ("DB_PORT", "", PORT),
        (
            "DB_PORT",
            "5432,x",
            "expected ports, 1 to 65535, separated by commas",
        ),
        ("DB_NAME", "", "expected a name of 1 to 63 bytes"),
        ("DB_USER", "", "expected a name of 1 to 63 bytes"),
        ("DB_OWNER", "", "expected a name of 1 to 63 bytes"),
        (
            "DB_SSLMODE",
            "yes",
            "expected disable, prefer, require, verify-ca or verify-full",
        ),
        ("DB_POOL_SIZE", "0", COUNT),
        ("DB_POOL_QUEUE", "many", COUNT),
        ("DB_CONNECT_TIMEOUT", "2", DURATION),
        ("DB_DEADLINE", "0s", DURATION),
        ("DB_STATEMENT_TIMEOUT", "soon", DURATION),
        ("DB_PROBE_INTERVAL", "-1s", DURATION),
        ("DB_PROBE_TIMEOUT", "1.5s", DURATION),
        ("REDIS_HOST", "cache:6379", HOST),
        ("REDIS_PORT", "65536", PORT),
        ("REDIS_TLS", "yes", "expected true or false"),
        (
            "REDIS_SENTINELS",
            "a:26379,b:x",
            "expected hosts, each with its port behind a colon, separated by commas",
        ),
        (
            "REDIS_CLUSTER",
            "a:6379;b",
            "expected hosts, each with its port behind a colon, separated by commas",
        ),
        ("CACHE_MEMORY_BYTES", "64MB", COUNT),
        ("API_HOST", "http://0.0.0.0", HOST),
        ("API_PORT", "http", PORT),
        ("ADMIN_PORT", "-1", PORT),
        ("API_WORKERS", "0", COUNT),
        ("BODY_LIMIT", "2MB", COUNT),
        ("REQUEST_TIMEOUT", "10", DURATION),
        ("SHUTDOWN_TIMEOUT", "10 s", DURATION),
        ("KEEP_ALIVE", "", DURATION),
        ("LOG_FORMAT", "xml", "expected text or json"),
        (
            "LOG_LEVEL",
            "loud",
            "expected error, warn, info, debug or trace",
        ),
    ] {
        let flag = format!("--{}={value}", variable.to_lowercase().replace('_', "-"));
        let line = format!("{variable}: {value:?} is not accepted: {expected}");
        assert_eq!(refused(&[&flag]), line);
        assert_eq!(refused(&["go", &flag]), line);
    }
}

#[test]
fn wrong_usage_is_one_line() {
    for (arguments, expected) in [
        (
            vec!["--db-prot", "1"],
            "unexpected argument '--db-prot' found (see --help)",
        ),
        (vec!["went"], "unrecognized subcommand 'went' (see --help)"),
        (vec!["--db-port"], "DB_PORT: expected a value"),
        (
            vec!["go", "--times", "300"],
            "--times: \"300\" is not accepted: 300 is not in 0..=255",
        ),
    ] {
        assert_eq!(refused(&arguments), expected);
    }
}

fn database_error(arguments: &[&str]) -> SettingsError {
    parse(arguments)
        .database
        .cluster_config("test")
        .expect_err("the settings don't fit")
}

#[test]
fn values_that_do_not_fit_each_other_are_named() {
    for (arguments, expected) in [
        (
            vec!["--db-host", "a,b,c", "--db-port", "1,2"],
            "DB_PORT: expected one port, or one for each of the 3 hosts of DB_HOST, not 2",
        ),
        (
            vec!["--db-host", "a,a"],
            "DB_HOST: must not name a server twice",
        ),
        (
            vec!["--db-sslmode", "verify-full"],
            "DB_SSLROOTCERT: is required to verify the server's certificate",
        ),
        (
            vec!["--database-url", "postgresql://a,a/db"],
            "DATABASE_URL: nodes must not name a server twice",
        ),
        (
            vec!["--db-password", "x", "--db-password-file", "/y"],
            "DB_PASSWORD_FILE: expected either DB_PASSWORD or DB_PASSWORD_FILE, not both",
        ),
        (
            vec!["--db-password-file", "/nowhere/it is"],
            "DB_PASSWORD_FILE: can't read \"/nowhere/it is\": No such file or directory",
        ),
    ] {
        assert_eq!(database_error(&arguments).to_string(), expected);
    }
    let http = parse(&["--api-port", "81", "--admin-port", "81"]).http;
    let error = http.validate().unwrap_err().to_string();
    assert_eq!(error, "ADMIN_PORT: expected another port than API_PORT");
    let owner = parse(&["--db-owner-password", "x"]).owner;
    let error = owner.apply(Default::default()).unwrap_err().to_string();
    assert_eq!(error, "DB_OWNER_PASSWORD: expected DB_OWNER beside it");
}

#[test]
fn redis_settings_that_do_not_fit_each_other_are_named() {
    for (arguments, expected) in [
        (
            vec!["--redis-host=a", "--redis-tls-ca=/ca.pem"],
            "REDIS_TLS_CA: expected REDIS_TLS=true, or a REDIS_URL with rediss://, beside it",
        ),
        (
            vec!["--redis-tls=true", "--redis-tls-key=/key.pem"],
            "REDIS_TLS_KEY: expected REDIS_TLS_CERT beside it",
        ),
        (
            vec!["--redis-tls=true", "--redis-url=redis://a"],
            "REDIS_TLS: expected REDIS_URL to begin with rediss://",
        ),
        (
            vec!["--redis-sentinels=a,b"],
            "REDIS_SENTINELS: expected REDIS_MASTER beside it",
        ),
        (
            vec!["--redis-master=cache"],
            "REDIS_MASTER: expected REDIS_SENTINELS beside it",
        ),
        (
            vec!["--redis-sentinels=a", "--redis-master="],
            "REDIS_MASTER: must be what the sentinels call the master",
        ),
        (
            vec!["--redis-host=a", "--redis-sentinel-password=x"],
            "REDIS_SENTINEL_PASSWORD: expected REDIS_SENTINELS beside it",
        ),
        (
            vec!["--redis-url=redis://a", "--redis-sentinels=a"],
            "REDIS_SENTINELS: expected either REDIS_URL or REDIS_SENTINELS, not both",
        ),
        (
            vec!["--redis-port=1", "--redis-sentinels=a"],
            "REDIS_SENTINELS: expected either REDIS_PORT or REDIS_SENTINELS, not both",
        ),
        (
            vec!["--redis-host=a", "--redis-cluster=b"],
            "REDIS_CLUSTER: expected either REDIS_HOST or REDIS_CLUSTER, not both",
        ),
        (
            vec!["--redis-cluster=a", "--redis-sentinels=b"],
            "REDIS_SENTINELS: expected either REDIS_CLUSTER or REDIS_SENTINELS, not both",
        ),
        (
            vec!["--redis-username=me"],
            "REDIS_USERNAME: needs a password (for the default user write redis://:password@host)",
        ),
        (
            vec!["--redis-tls=false", "--redis-url=rediss://a"],
            "REDIS_TLS: expected REDIS_URL to begin with redis://",
        ),
        (
            vec!["--redis-url=rediss://a", "--redis-tls-ca=/nowhere"],
            "REDIS_TLS_CA: /nowhere: No such file or directory (os error 2)",
        ),
    ] {
        let error = parse(&arguments).redis.redis_config().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_secret_is_never_repeated() {
    for url in [
        "mysql://me:geheim@a/db",
        "postgresql://me:geheim@a:x/db",
        "postgresql://me:x?geheim=1@a/db",
        "postgresql://me:x?geheim@a/db",
        "postgresql://me:geheim@a/db?sslmode=perhaps",
        "postgresql://me:geheim@a,a/db",
        "geheim",
    ] {
        let error = database_error(&["--database-url", url]);
        let text = error.to_string();
        assert!(text.starts_with("DATABASE_URL: "), "{text}");
        assert!(!format!("{text}{error:?}").contains("geheim"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
    for url in [
        "rediss://:geheim@a?insecure",
        "redis://:geheim@a:x",
        "geheim",
        "redis://geheim@a",
    ] {
        let error = parse(&["--redis-url", url])
            .redis
            .redis_config()
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("REDIS_URL: "), "{text}");
        assert!(!format!("{text}{error:?}").contains("geheim"), "{text}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let everything = parse(&[
        "--db-password=geheim",
        "--db-owner-password=geheim",
        "--database-url=postgresql://me:geheim@a/db",
        "--redis-password=geheim",
        "--redis-sentinel-password=geheim",
        "--redis-url=redis://:geheim@a",
    ]);
    let shown = format!("{everything:?}");
    assert!(
        shown.contains("***") && !shown.contains("geheim"),
        "{shown}"
    );
}
