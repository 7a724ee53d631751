//! What `pgbackrest verify --output=text --verbose` says. It exits 0 whatever it finds (seen with 2.45), so what it
//! prints is what counts, and what is not understood is not taken for good.

use serde::Serialize;

use crate::error::Error;

/// What was found in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verification {
    /// Files of backups, and segments of the log, that were read.
    pub files: u64,
    /// What is wrong, as the engine says it.
    pub problems: Vec<String>,
    /// Segments that are needed to recover and are not there.
    pub missing_segments: Vec<String>,
}

impl Verification {
    /// Whether all is as it must be.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.problems.is_empty() && self.missing_segments.is_empty()
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts = self.problems.clone();
        if !self.missing_segments.is_empty() {
            let missing = self.missing_segments.join(", ");
            parts.push(format!("not in the repository: {missing}"));
        }
        parts.join("; ")
    }
}

pub(super) fn parse(text: &str) -> Result<Verification, Error> {
    let mut found = Verification::default();
    let mut status = None;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with("stanza:") || line.is_empty() {
            continue;
        }
        if let Some(said) = line.strip_prefix("status:") {
            status = Some(said.trim());
            continue;
        }
        let counts = numbers(line);
        if line.starts_with("archiveId:") || line.starts_with("backup:") {
            // "total … checked: N, total valid …: M", after the name.
            let [.., checked, valid] = counts[..] else {
                return Err(strange(line));
            };
            found.files += checked;
            let is_marked = line.starts_with("backup:") && !line.contains("status: valid");
            if checked != valid || is_marked {
                let details = lines.get(index + 1).copied().unwrap_or_default();
                found.problems.push(format!("{line}: {details}"));
            }
        } else if !line.starts_with("missing:") {
            found.problems.push((*line).to_owned());
        }
    }
    match status {
        Some("ok") => Ok(found),
        Some("error") => {
            if found.problems.is_empty() {
                found.problems.push("pgBackRest says error".into());
            }
            Ok(found)
        }
        _ => Err(strange(text)),
    }
}

/// The numbers that stand behind a colon.
fn numbers(line: &str) -> Vec<u64> {
    let parts = line.split(':').skip(1).map(str::trim);
    let digits = |part: &str| part.split(',').next().unwrap_or_default().parse().ok();
    parts.filter_map(digits).collect()
}

fn strange(text: &str) -> Error {
    Error::Output {
        program: "pgbackrest verify".into(),
        detail: format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    const WELL: &str = "stanza: main\nstatus: ok\n  archiveId: 15-1, total WAL checked: 3, total valid WAL: 3\n    missing: 0, checksum invalid: 0, size invalid: 0, other: 0\n  backup: 20261130-023754F, status: valid, total files checked: 964, total valid files: 964\n    missing: 0, checksum invalid: 0, size invalid: 0, other: 0\n";

    #[test]
    fn what_is_well_is_counted() {
        let found = parse(WELL).unwrap();
        assert!(found.is_well(), "{found:?}");
        assert_eq!(found.files, 967);
    }

    #[test]
    fn what_is_wrong_is_named_whatever_the_status_says() {
        let damaged = WELL
            .replace("valid files: 964", "valid files: 963")
            .replace("status: valid", "status: invalid");
        for status in ["ok", "error"] {
            let text = damaged.replace("status: ok", &format!("status: {status}"));
            let found = parse(&text).unwrap();
            assert!(found.summary().contains("20261130-023754F"), "{found:?}");
        }
        let nothing = "stanza: main\nstatus: error\n  No usable backup.info file\n";
        assert_eq!(
            parse(nothing).unwrap().summary(),
            "No usable backup.info file"
        );
        assert!(!parse("stanza: main\nstatus: error\n").unwrap().is_well());
    }

    #[test]
    fn what_is_not_understood_is_not_taken_for_good() {
        for text in [
            "",
            "stanza: main\n",
            "status: maybe\n",
            "status: ok\n  archiveId: x\n",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
