//! Nothing is left behind, however a stack's owner ends; and everything is, when that was asked for.

use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use prepnexus_devstack::{
    PatroniCluster, PatroniConfig, PgBouncer, PgBouncerConfig, Stack, StackConfig,
};

use crate::support::{eventually, is_alive, processes_of, server_pids, temporary_dir};

/// Tells this test binary, run as a child, where to keep a stack until it is killed.
const OWNER_DIR: &str = "DEVSTACK_TEST_OWNER_DIR";

fn all_servers(dir: &Path) -> StackConfig {
    StackConfig {
        dir: dir.to_owned(),
        replicas: 1,
        redis: true,
        ..StackConfig::for_tests()
    }
}

#[test]
fn a_panic_leaves_no_process_and_no_directory() {
    let base = temporary_dir();
    let mut seen: Option<(PathBuf, Vec<String>)> = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let stack = Stack::start(all_servers(base.path())).unwrap();
        seen = Some((stack.data_root().to_owned(), server_pids(&stack)));
        // One frozen, the other well.
        stack.primary().freeze();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let (root, pids) = seen.unwrap();
    assert!(pids.len() > 8, "{pids:?}");
    assert!(!pids.iter().any(|pid| is_alive(pid)));
    assert!(!root.exists());
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
}

/// Not a test by itself: the child that [`a_killed_owner_takes_its_servers_along`] starts and kills.
#[test]
fn owner() {
    let Some(base) = owners_dir() else { return };
    let stack = Stack::start(all_servers(&base)).unwrap();
    let pids = server_pids(&stack);
    // Frozen children of a postmaster that is killed notice nothing: these are left for the sweep.
    stack.replica(0).freeze();
    live_until_killed(stack.data_root(), &pids);
}

/// Not a test by itself either, but the child of [`a_killed_owner_takes_its_cluster_along`].
#[test]
fn owner_of_a_cluster() {
    let Some(base) = owners_dir() else { return };
    let config = PatroniConfig {
        dir: base,
        nodes: 1,
        ..PatroniConfig::for_tests()
    };
    let cluster = PatroniCluster::start(&config).unwrap();
    let node = &cluster.nodes()[0];
    let bouncer = PgBouncer::start(&PgBouncerConfig {
        dir: config.dir.clone(),
        ..PgBouncerConfig::new(node.addr())
    });
    let _bouncer = bouncer.unwrap();
    let pids = node.postgres_pids().into_iter();
    let mut pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
    let lines = processes_of(&config.dir).into_iter();
    pids.extend(lines.filter_map(|line| line.split(' ').next().map(str::to_owned)));
    node.freeze();
    live_until_killed(&config.dir, &pids);
}

fn owners_dir() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "how the parent tells its child what to do"
    )]
    let dir = std::env::var_os(OWNER_DIR);
    dir.map(PathBuf::from)
}

fn live_until_killed(dir: &Path, pids: &[String]) {
    println!("\nowner {} {}", dir.display(), pids.join(" "));
    loop {
        std::thread::park();
    }
}

fn start_owner(test: &str, base: &Path) -> (Child, BufReader<ChildStdout>, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(OWNER_DIR, base);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // Kept open: the child's test harness would end at a closed one.
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let lines = output.by_ref().lines();
    let line = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("owner "));
    (child, output, line.unwrap())
}

#[test]
fn a_killed_owner_takes_its_servers_along() {
    let base = temporary_dir();
    let (mut child, _output, line) = start_owner("lifetime::owner", base.path());
    let root = PathBuf::from(line.split(' ').nth(1).unwrap());
    let pids: Vec<&str> = line.split(' ').skip(2).collect();
    assert!(
        pids.len() > 8 && pids.iter().all(|pid| is_alive(pid)),
        "{pids:?}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the end of postmasters and Redis", || {
        processes_of(&root).is_empty()
    });
    // The next stack in the same place sweeps up the frozen children and the files.
    drop(
        Stack::start(StackConfig {
            dir: base.path().to_owned(),
            ..StackConfig::for_tests()
        })
        .unwrap(),
    );
    eventually("the end of all processes", || {
        !pids.iter().any(|pid| is_alive(pid))
    });
    assert!(!root.exists());
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn a_killed_owner_takes_its_cluster_along() {
    let base = temporary_dir();
    let (mut child, _output, line) = start_owner("lifetime::owner_of_a_cluster", base.path());
    let pids: Vec<&str> = line.split(' ').skip(2).collect();
    assert!(
        pids.len() > 8 && pids.iter().all(|pid| is_alive(pid)),
        "{pids:?}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody needs to sweep up: not even frozen servers whose parent is not the owner are left.
    eventually("the end of all processes", || {
        !pids.iter().any(|pid| is_alive(pid)) && processes_of(base.path()).is_empty()
    });
    let is_unlocked = |dir: std::fs::DirEntry| {
        let lock = std::fs::File::open(dir.path().join("lock")).unwrap();
        lock.try_lock().is_ok()
    };
    eventually("the end of whoever ended them", || {
        let dirs = std::fs::read_dir(base.path()).unwrap();
        dirs.flatten().all(is_unlocked)
    });
    // The next stack in the same place removes the files.
    drop(
        Stack::start(StackConfig {
            dir: base.path().to_owned(),
            ..StackConfig::for_tests()
        })
        .unwrap(),
    );
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn servers_have_a_session_of_their_own() {
    let base = temporary_dir();
    let stack = Stack::start(all_servers(base.path())).unwrap();
    // So that Ctrl-C in the owner's terminal does not reach them.
    let own = nix::unistd::getsid(None).unwrap();
    for pid in server_pids(&stack) {
        let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
        assert_ne!(nix::unistd::getsid(Some(pid)).unwrap(), own);
    }
}

#[test]
fn servers_outlive_the_thread_that_started_them() {
    let base = temporary_dir();
    let config = all_servers(base.path());
    let stack = std::thread::spawn(|| Stack::start(config).unwrap())
        .join()
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| stack.primary().restart().unwrap());
    });
    assert_eq!(stack.primary().psql("SELECT 1").unwrap(), "1");
    assert_eq!(stack.redis().cli(&["PING"]).unwrap(), "PONG");
}

#[test]
fn a_detached_stack_goes_on_until_it_is_stopped() {
    let dir = temporary_dir();
    let config = StackConfig {
        detached: true,
        durable: false,
        replicas: 0,
        ..StackConfig::private(dir.path())
    };
    let stack = Stack::start(config).unwrap();
    let root = stack.data_root().to_owned();
    let pids = server_pids(&stack);
    drop(stack);
    let attached = Stack::attach(dir.path()).unwrap().unwrap();
    assert_eq!(attached.primary().psql("SELECT 1").unwrap(), "1");
    assert_eq!(attached.redis().cli(&["PING"]).unwrap(), "PONG");
    attached.stop().unwrap();
    eventually("the end of all processes", || {
        !pids.iter().any(|pid| is_alive(pid))
    });
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_handle_that_outlives_its_stack_starts_nothing() {
    let base = temporary_dir();
    let config = StackConfig {
        dir: base.path().to_owned(),
        ..StackConfig::for_tests()
    };
    let node = Stack::start(config).unwrap().primary().clone();
    assert!(!node.is_running());
    assert!(node.start().is_err());
    assert!(!node.is_running());
}
