//! deploy/machines/systemd, by `systemd-analyze`.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::tools::{must, repository};

/// More is exposed than this, of 10, and somebody has taken a line away.
const EXPOSURE: f64 = 5.5;

#[test]
fn units_are_verified_and_closed() {
    // The programs are where the package has them.
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(repository("deploy/machines/systemd"))
        .unwrap()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".service") {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        for program in ["api", "migrator", "backup"] {
            let path = root.path().join(program);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let here = text.replace("=/usr/bin/", &format!("={}/", root.path().display()));
        // A template is verified as one of its instances.
        let name = name.replace("@.service", "@8001.service");
        fs::write(units.join(&name), here).unwrap();
        names.push(name);
    }
    assert_eq!(names.len(), 3);
    for name in names {
        let unit = units.join(&name);
        let said = must(
            Command::new("systemd-analyze")
                .args(["verify", "--man=no"])
                .arg(&unit),
        );
        assert_eq!(said, "", "{name}");
        let mut security = Command::new("systemd-analyze");
        let said = must(
            security
                .args(["security", "--offline=yes", "--no-pager"])
                .arg(&unit),
        );
        let exposure = said
            .split("exposure level for ")
            .nth(1)
            .and_then(|text| text.split_whitespace().nth(1));
        let exposure: f64 = exposure
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{said}"));
        assert!(exposure < EXPOSURE, "{name}: {exposure}");
    }
}
