//! Directories that are used again, moved away from, or named awkwardly.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use prepnexus_devstack::{Stack, StackConfig};

use crate::support::{processes_of, temporary_dir};

fn config(dir: &std::path::Path, replicas: usize) -> StackConfig {
    StackConfig {
        durable: false,
        redis: true,
        replicas,
        ..StackConfig::private(dir)
    }
}

fn open_dir() -> tempfile::TempDir {
    let dir = temporary_dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

#[test]
fn a_second_start_attaches_and_leaves_the_servers_to_the_first() {
    let dir = open_dir();
    let first = Stack::start(config(dir.path(), 1)).unwrap();
    let ports = |stack: &Stack| {
        let nodes = stack.nodes().iter().map(prepnexus_devstack::PgNode::port);
        nodes.chain([stack.redis().port()]).collect::<Vec<_>>()
    };
    let second = Stack::start(config(dir.path(), 1)).unwrap();
    assert_eq!(ports(&first), ports(&second));
    drop(second);
    assert_eq!(first.primary().psql("SELECT 1").unwrap(), "1");

    let attached = Stack::attach(dir.path()).unwrap().unwrap();
    assert_eq!(ports(&first), ports(&attached));
    assert!(
        attached
            .nodes()
            .iter()
            .all(prepnexus_devstack::PgNode::is_running)
    );
    attached.stop().unwrap();
    assert!(first.nodes().iter().all(|node| !node.is_running()));
    assert!(!first.redis().is_running());
    let empty = open_dir();
    assert!(Stack::attach(empty.path()).unwrap().is_none());
    assert!(
        Stack::attach(empty.path().join("absent"))
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_taken_port_is_given_up_and_the_replicas_are_rewired() {
    let dir = open_dir();
    let stack = Stack::start(config(dir.path(), 1)).unwrap();
    stack.primary().psql("CREATE TABLE t (n int)").unwrap();
    let (primary, replica) = (stack.primary().port(), stack.replica(0).port());
    stack.stop().unwrap();
    drop(stack);

    let _thief = TcpListener::bind(("127.0.0.1", primary)).unwrap();
    let stack = Stack::start(config(dir.path(), 2)).unwrap();
    assert_ne!(stack.primary().port(), primary);
    assert_eq!(stack.replica(0).port(), replica);
    stack.primary().psql("INSERT INTO t VALUES (1)").unwrap();
    // The second replica is new.
    for node in &stack.nodes()[1..] {
        node.wait_caught_up_with(stack.primary()).unwrap();
        assert_eq!(node.psql("SELECT n FROM t").unwrap(), "1");
    }
}

#[test]
fn a_running_replica_is_rewired_when_its_primary_moves() {
    let dir = open_dir();
    let stack = Stack::start(config(dir.path(), 1)).unwrap();
    stack.primary().psql("CREATE TABLE t (n int)").unwrap();
    stack.primary().stop().unwrap();
    let _thief = TcpListener::bind(("127.0.0.1", stack.primary().port())).unwrap();
    let second = Stack::start(config(dir.path(), 1)).unwrap();
    second.primary().psql("INSERT INTO t VALUES (1)").unwrap();
    second
        .replica(0)
        .wait_caught_up_with(second.primary())
        .unwrap();
}

#[test]
fn a_path_may_have_spaces_and_quotes() {
    let base = open_dir();
    let dir = base.path().join("it's a \"path\" with spaces");
    let temporary = StackConfig {
        dir,
        replicas: 1,
        redis: true,
        ..StackConfig::for_tests()
    };
    let stack = Stack::start(temporary).unwrap();
    let (primary, replica) = (stack.primary(), stack.replica(0));
    primary.psql("CREATE TABLE t AS SELECT 1 AS n").unwrap();
    replica.wait_caught_up_with(primary).unwrap();
    replica.promote().unwrap();
    primary.rejoin_as_replica_of(replica).unwrap();
    primary.freeze();
    drop(stack);
    assert_eq!(processes_of(base.path()), Vec::<String>::new());
}

#[test]
fn a_closed_directory_is_replaced_by_one_elsewhere() {
    let closed = temporary_dir();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let dir = closed.path().join("repo/.dev");
    let stack = Stack::start(config(&dir, 0)).unwrap();
    let root = stack.data_root().to_owned();
    // Only root hands its servers to another user, who cannot get through.
    if nix::unistd::geteuid().is_root() {
        assert!(root.starts_with("/var/tmp"), "{}", root.display());
    } else {
        assert!(root.starts_with(&dir), "{}", root.display());
    }
    stack.primary().psql("CREATE TABLE t (n int)").unwrap();
    stack.stop().unwrap();
    drop(stack);
    let again = Stack::start(config(&dir, 0)).unwrap();
    assert_eq!(again.data_root(), root);
    assert_eq!(again.primary().psql("SELECT count(*) FROM t").unwrap(), "0");
    drop(again);
    fs::remove_dir_all(&root).unwrap();
}
