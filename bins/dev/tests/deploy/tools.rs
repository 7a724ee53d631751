//! Where the tools come from: Debian, and PyPI and npm in directories of their own below `target`.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
        .join(path)
}

/// Runs it to its end, which has to be a good one; what it printed.
pub(crate) fn must(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{stdout}{stderr}");
    stdout + &stderr
}

/// A directory with the packages that tests of deploying need, made by whoever comes first.
fn home() -> (PathBuf, File) {
    let home = repository("target/deploy");
    fs::create_dir_all(&home).unwrap();
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    (home, lock)
}

fn is_new(home: &Path, source: &str) -> bool {
    let source = repository("bins/dev/tests/deploy").join(source);
    let copy = home.join(source.file_name().unwrap());
    let wanted = fs::read(&source).unwrap();
    fs::read(&copy).ok().as_ref() != Some(&wanted)
}

fn done(home: &Path, source: &str) {
    let from = repository("bins/dev/tests/deploy").join(source);
    fs::copy(&from, home.join(source)).unwrap();
}

/// The directory of the programs of `requirements.txt`.
pub(crate) fn python() -> PathBuf {
    const LIST: &str = "requirements.txt";
    let (home, _lock) = home();
    let bin = home.join("venv/bin");
    if is_new(&home, LIST) {
        must(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(home.join("venv")),
        );
        let list = repository("bins/dev/tests/deploy").join(LIST);
        must(
            Command::new(bin.join("pip"))
                .args(["install", "--quiet", "--requirement"])
                .arg(list),
        );
        done(&home, LIST);
    }
    bin
}

/// The directory in which the packages of `package.json` are.
pub(crate) fn node() -> PathBuf {
    const LIST: &str = "package.json";
    let (home, _lock) = home();
    let dir = home.join("node");
    fs::create_dir_all(&dir).unwrap();
    if is_new(&dir, LIST) {
        let unfinished = dir.join(LIST);
        fs::copy(repository("bins/dev/tests/deploy").join(LIST), &unfinished).unwrap();
        let mut npm = Command::new("npm");
        npm.current_dir(&dir).args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
        ]);
        let installed = npm.output().unwrap();
        if !installed.status.success() {
            fs::remove_file(&unfinished).unwrap();
            panic!("{}", String::from_utf8_lossy(&installed.stderr));
        }
    }
    dir
}
