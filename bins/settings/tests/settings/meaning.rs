//! What accepted values mean.

use std::fs;
use std::time::Duration;

use prepnexus_cache::{RedisAddr, Sentinels, Topology};
use prepnexus_storage::{ClusterConfig, SslMode};

use crate::{Below, parse};

fn database(arguments: &[&str]) -> ClusterConfig {
    let settings = parse(arguments).database;
    settings.cluster_config("test").expect("the settings fit")
}

fn nodes(arguments: &[&str]) -> Vec<String> {
    database(arguments)
        .nodes
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_defaults_are_those_of_the_libraries() {
    let (found, expected) = (database(&[]), ClusterConfig::default());
    let expected = ClusterConfig {
        application_name: "test".into(),
        ..expected
    };
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    let everything = parse(&[]);
    assert!(everything.redis.redis_config().unwrap().is_none());
    let http = everything.http;
    assert_eq!((http.api_host.as_str(), http.api_port), ("127.0.0.1", 8000));
    assert_eq!((http.admin_port, http.body_limit), (None, 2 * 1024 * 1024));
    assert!(http.validate().is_ok() && http.workers() > 0);
}

#[test]
fn one_port_is_for_all_hosts_and_several_are_one_each() {
    assert_eq!(nodes(&["--db-host=a", "--db-port=1,2"]), ["a:1", "a:2"]);
    assert_eq!(nodes(&["--db-host", "a, b"]), ["a:5432", "b:5432"]);
    assert_eq!(
        nodes(&["--db-host", "a,b", "--db-port", "1"]),
        ["a:1", "b:1"]
    );
    assert_eq!(
        nodes(&["--db-host", "a,::1", "--db-port", "1, 2"]),
        ["a:1", "[::1]:2"]
    );
}

#[test]
fn the_url_takes_the_place_of_the_other_variables() {
    let url = "postgresql://me:p%40ss@a:1,b:2/posts?sslmode=require";
    let config = database(&[
        "--db-host=x",
        "--db-port=1,2,3",
        "--db-name=x",
        "--db-user=x",
        "--db-password=x",
        "--db-sslmode=disable",
        "--db-password-file=/nowhere",
        "--db-pool-size=3",
        "--database-url",
        url,
    ]);
    let nodes: Vec<String> = config.nodes.iter().map(ToString::to_string).collect();
    assert_eq!(nodes, ["a:1", "b:2"]);
    assert_eq!(
        (config.user.as_str(), config.database.as_str()),
        ("me", "posts")
    );
    assert_eq!(config.password.unwrap().expose(), "p@ss");
    assert_eq!((config.ssl_mode, config.pool_size), (SslMode::Require, 3));
    assert_eq!(config.application_name, "test");
    // An empty one, as container files have it, is none.
    assert_eq!(self::nodes(&["--database-url=", "--db-host=a"]), ["a:5432"]);
}

#[test]
fn the_url_says_how_long_connecting_may_take_if_it_does() {
    let of =
        |url: &str| database(&["--db-connect-timeout=7s", "--database-url", url]).connect_timeout;
    assert_eq!(of("postgresql://a/db"), Duration::from_secs(7));
    assert_eq!(
        of("postgresql://a/db?connect_timeout=4"),
        Duration::from_secs(4)
    );
}

#[test]
fn a_password_file_loses_its_last_line_break_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("the password");
    let flag = format!("--db-password-file={}", path.display());
    fs::write(&path, " se cret \r\n").unwrap();
    assert_eq!(database(&[&flag]).password.unwrap().expose(), " se cret ");
    fs::write(&path, "\n").unwrap();
    let error = parse(&[&flag]).database.cluster_config("test").unwrap_err();
    assert!(error.to_string().ends_with("is empty"), "{error}");
}

#[test]
fn the_owner_takes_the_place_of_the_user() {
    let everything = parse(&[
        "--db-user=u",
        "--db-password=p",
        "--db-owner=o",
        "--db-owner-password=q",
    ]);
    let config = everything.database.cluster_config("test").unwrap();
    let config = everything.owner.apply(config).unwrap();
    assert_eq!(
        (config.user.as_str(), config.password.unwrap().expose()),
        ("o", "q")
    );
    let everything = parse(&["--db-user=u", "--db-password=p"]);
    let config = everything.database.cluster_config("test").unwrap();
    let config = everything.owner.apply(config).unwrap();
    assert_eq!(
        (config.user.as_str(), config.password.unwrap().expose()),
        ("u", "p")
    );
}

#[test]
fn any_redis_variable_means_redis() {
    let redis = |arguments: &[&str]| parse(arguments).redis.redis_config().unwrap().unwrap();
    let of = |arguments: &[&str]| redis(arguments).topology;
    let at = |host, port| Topology::Standalone(RedisAddr::new(host, port));
    assert_eq!(of(&["--redis-host=r"]), at("r", 6379));
    assert_eq!(of(&["--redis-port=1"]), at("127.0.0.1", 1));
    assert_eq!(
        of(&["--redis-host=r", "--redis-url=redis://s:2"]),
        at("s", 2)
    );
    let watched = Sentinels {
        nodes: vec![RedisAddr::new("a", 1), RedisAddr::new("b", 26379)],
        master: "cache".to_owned(),
        password: Some("p".into()),
    };
    assert_eq!(
        of(&[
            "--redis-sentinels=a:1,b",
            "--redis-master=cache",
            "--redis-sentinel-password=p",
        ]),
        Topology::Sentinel(watched)
    );
    let nodes = vec![RedisAddr::new("a", 6379), RedisAddr::new("b", 2)];
    assert_eq!(of(&["--redis-cluster=a,b:2"]), Topology::Cluster(nodes));
    assert_eq!(
        redis(&["--redis-password=p"]).password.unwrap().expose(),
        "p"
    );
    assert!(
        parse(&["--redis-password="])
            .redis
            .redis_config()
            .unwrap()
            .is_none()
    );
}

#[test]
fn redis_is_encrypted_by_its_url_or_by_a_switch() {
    let tls = |arguments: &[&str]| {
        let config = parse(arguments).redis.redis_config().unwrap().unwrap();
        config.tls.is_some()
    };
    assert!(tls(&["--redis-url=rediss://a"]));
    assert!(tls(&["--redis-host=a", "--redis-tls=true"]));
    assert!(tls(&["--redis-url=rediss://a", "--redis-tls=true",]));
    assert!(!tls(&["--redis-host=a", "--redis-tls=false"]));
    assert!(!tls(&["--redis-url=redis://a"]));
}

#[test]
fn settings_are_accepted_before_and_after_a_command() {
    for arguments in [
        ["--db-host=a", "go", "--times=2"],
        ["go", "--times=2", "--db-host=a"],
    ] {
        let everything = parse(&arguments);
        assert_eq!(everything.database.db_host.0, ["a"]);
        assert!(matches!(
            everything.command,
            Some(Below::Go { times: Some(2) })
        ));
    }
}
