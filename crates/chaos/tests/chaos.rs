//! The short form of every scenario, on real servers, one after the other: they measure time. The limits of time
//! are generous, for a machine that does other things meanwhile; `./dev chaos` judges them as they are.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::path::Path;

use prepnexus_chaos::{Programs, Setting, choose, run};
use tokio::sync::Mutex;

/// One at a time.
static TURN: Mutex<()> = Mutex::const_new(());
/// How generous.
const PATIENCE: f64 = 8.0;

async fn play(name: &str) {
    let _turn = TURN.lock().await;
    let setting = Setting {
        patience: PATIENCE,
        histories: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("histories")),
        ..Setting::quick(Some(programs()))
    };
    let chosen = choose(&[name.to_owned()]).unwrap();
    let report = run(&chosen, &setting, 1, |line| println!("{line}")).await;
    println!("{}", report.table());
    assert!(report.holds(), "\n{}", report.table());
}

/// The binaries that the same build made. In `./dev test` they are there; alone,
/// `cargo build -p prepnexus-api -p prepnexus-migrator` makes them.
fn programs() -> Programs {
    let own = std::env::current_exe().unwrap();
    let dir = own.ancestors().nth(2).unwrap();
    Programs {
        api: dir.join("api"),
        migrator: dir.join("migrator"),
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            play(stringify!($name)).await;
        }
    )*

    #[test]
    fn each_scenario_is_played() {
        let played = [$(stringify!($name)),*];
        assert_eq!(prepnexus_chaos::SCENARIOS.map(|scenario| scenario.name), played);
    }};
}

/// What `./dev chaos --mutants` breaks is still there to be broken.
#[test]
fn each_mutant_can_be_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mutants = std::fs::read_dir(root.join("crates/chaos/mutants")).unwrap();
    let mut count = 0;
    for mutant in mutants {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(&root).args(["apply", "--check"]);
        let checked = git.arg(mutant.unwrap().path()).output().unwrap();
        let why = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{why}");
        count += 1;
    }
    assert_eq!(count, 4);
}

scenarios! {
    frozen_primary
    promotion
    old_primary
    commit_kills
    pairs
    lag
    frozen_replica
    no_primary
    api
    cache
    stampede
    refusal
    redis
    outage
    precision
    migrate
    import
    patroni
}
