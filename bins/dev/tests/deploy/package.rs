//! The Debian package of the three binaries, made by cargo-deb and installed where nothing of ours is.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::tools::{must, repository};

const VERSION: &str = "3.8.0";

fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(repository("."));
    command
}

/// cargo-deb, built once.
fn cargo_deb() -> PathBuf {
    let tools = repository("target/tools");
    let program = tools.join("bin/cargo-deb");
    if !program.exists() {
        let mut install = cargo();
        install.args([
            "install",
            "cargo-deb",
            "--locked",
            "--quiet",
            "--version",
            VERSION,
            "--root",
        ]);
        must(
            install
                .arg(&tools)
                .env("CARGO_TARGET_DIR", repository("target/tools/build")),
        );
        fs::remove_dir_all(repository("target/tools/build")).unwrap();
    }
    program
}

/// Makes the package of binaries as they are built for tests.
fn package(into: &Path) -> PathBuf {
    let mut build = cargo();
    build.args(["build", "--quiet"]);
    must(build.args([
        "--package",
        "prepnexus-api",
        "--package",
        "prepnexus-migrator",
        "--package",
        "prepnexus-backup-bin",
    ]));
    let pages = repository("target/pages");
    let programs = programs();
    for program in ["api", "migrator", "backup"] {
        must(
            Command::new(programs.join(program))
                .arg("generate-pages")
                .arg(&pages),
        );
    }
    let deb = into.join("prepnexus.deb");
    let mut make = Command::new(cargo_deb());
    make.current_dir(repository(".")).args([
        "deb",
        "--no-build",
        "--no-strip",
        "--profile",
        "dev",
        "--package",
        "prepnexus-api",
        "--output",
    ]);
    must(make.arg(&deb));
    deb
}

/// Where cargo puts programs that are built for tests.
fn programs() -> PathBuf {
    let target = env::current_exe().unwrap();
    let deps = target.parent().unwrap();
    deps.parent().unwrap().to_owned()
}

#[test]
fn the_package_has_the_programs_their_units_settings_and_pages() {
    let dir = tempfile::tempdir().unwrap();
    let deb = package(dir.path());
    let listed = must(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    for path in [
        "./usr/bin/api",
        "./usr/bin/migrator",
        "./usr/bin/backup",
        "./usr/lib/systemd/system/prepnexus-api@.service",
        "./usr/lib/systemd/system/prepnexus-backup.service",
        "./usr/lib/systemd/system/prepnexus-migrator.service",
        "./etc/prepnexus/api.env",
        "./usr/share/man/man1/api.1.gz",
        "./usr/share/man/man1/backup-restore.1.gz",
        "./usr/share/bash-completion/completions/backup",
        "./usr/share/doc/prepnexus/CONFIG.md",
        "./usr/share/prepnexus/bootstrap.sql",
    ] {
        assert!(
            listed
                .lines()
                .any(|line| line.ends_with(path) || line.ends_with(&format!("{path}.gz"))),
            "{path}: {listed}"
        );
    }
    let conffiles = must(
        Command::new("dpkg-deb")
            .args(["--info"])
            .arg(&deb)
            .arg("conffiles"),
    );
    assert_eq!(
        conffiles
            .lines()
            .filter(|line| line.starts_with("/etc/prepnexus/"))
            .count(),
        3,
        "{conffiles}"
    );

    // Installed into a system that has nothing of ours, where whoever runs this may make one.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let root = dir.path().join("root");
    must(
        Command::new("debootstrap")
            .args(["--variant=minbase", "bookworm"])
            .arg(&root),
    );
    fs::copy(&deb, root.join("prepnexus.deb")).unwrap();
    let inside = |words: &[&str]| must(Command::new("chroot").arg(&root).args(words));
    inside(&["dpkg", "--install", "/prepnexus.deb"]);
    for program in ["api", "migrator", "backup"] {
        let said = inside(&[program, "--version"]);
        assert!(
            said.starts_with(&format!("{program} {} (", env!("CARGO_PKG_VERSION"))),
            "{said}"
        );
    }
    let status = inside(&["dpkg", "--status", "prepnexus"]);
    assert!(status.contains("Status: install ok installed"), "{status}");
    let mode = inside(&["stat", "--format=%a", "/etc/prepnexus/api.env"]);
    assert_eq!(mode.trim(), "600", "it will hold passwords");
    inside(&["dpkg", "--purge", "prepnexus"]);
    assert!(!root.join("usr/bin/api").exists());
}
