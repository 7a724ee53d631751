//! Programs from PyPI and npm that tests need: installed once for each list of them, below `target/packages`.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// The directory of the programs that `list`, a requirements.txt, names; its path begins at the repository's root.
///
/// # Panics
/// Where it can't be installed.
#[must_use]
pub fn python(list: &str) -> PathBuf {
    let home = installed(list, |home, list| {
        let venv = home.join("venv");
        must(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let mut pip = Command::new(venv.join("bin/pip"));
        must(pip.args(["install", "--quiet", "--requirement"]).arg(list));
    });
    home.join("venv/bin")
}

/// The directory in which the packages of `list`, a package.json, are installed; its path begins at the repository's root.
///
/// # Panics
/// Where it can't be installed.
#[must_use]
pub fn node(list: &str) -> PathBuf {
    installed(list, |home, list| {
        fs::copy(list, home.join("package.json")).expect("a copy of the list");
        let mut npm = Command::new("npm");
        must(npm.current_dir(home).args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-package-lock",
            "--ignore-scripts",
        ]));
    })
}

/// The directory for a list, made by whoever comes first; made again where the list has changed, or its maker was killed.
fn installed(list: &str, install: impl FnOnce(&Path, &Path)) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the repository is there");
    let all = root.join("target/packages");
    fs::create_dir_all(&all).expect("a directory for packages");
    let name = list.replace('/', "-");
    let (home, done) = (all.join(&name), all.join(format!("{name}.done")));
    let list = root.join(list);
    let wanted = fs::read(&list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
    let lock = File::create(all.join(format!("{name}.lock"))).expect("a lock");
    lock.lock().expect("a lock is waited for");
    if fs::read(&done).ok().as_ref() != Some(&wanted) {
        if home.exists() {
            fs::remove_dir_all(&home).expect("what is old or unfinished can be removed");
        }
        fs::create_dir(&home).expect("a directory for the list");
        install(&home, &list);
        fs::write(done, wanted).expect("a note that it is done");
    }
    home
}

fn must(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
