//! Migrations that would hurt a service that goes on meanwhile: found before they run.
//!
//! Unsafe is what blocks readers or writers for as long as a table is large, what breaks the program version that is running,
//! and what takes more away than it says. `squawk-linter` knows most of it; what it does not know is in `lint/own.rs`. Taste
//! (types, names, IF EXISTS) is nobody's business here. A finding is waived in the file's header, with a reason:
//! `-- migrate: allow ban-drop-column: nothing reads it since 1.4`. A waiver that nothing needs is a finding as well.

mod own;
mod squawk;

use serde::Serialize;

use crate::file::{Migration, Migrations};

/// Something unsafe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule, as a waiver names it.
    pub rule: String,
    /// What is unsafe.
    pub message: String,
    /// What to do instead, where that is known.
    pub help: Option<String>,
}

impl Migrations {
    /// What is unsafe, file by file.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        self.list().iter().flat_map(Migration::lint).collect()
    }
}

impl Migration {
    /// What is unsafe and not waived, by line.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        let mut found = squawk::lint(self);
        found.extend(own::lint(self));
        let waivers = &self.header.waivers;
        let is_waived =
            |finding: &Finding| waivers.iter().any(|waiver| waiver.rule == finding.rule);
        let unused = waivers
            .iter()
            .filter(|waiver| !found.iter().any(|finding| finding.rule == waiver.rule))
            .map(|waiver| Finding {
                file: self.to_string(),
                line: waiver.line,
                rule: "unused-waiver".into(),
                message: format!("nothing here needs {:?} to be allowed", waiver.rule),
                help: None,
            })
            .collect::<Vec<_>>();
        found.retain(|finding| !is_waived(finding));
        found.extend(unused);
        found.sort_by(|one, other| (one.line, &one.rule).cmp(&(other.line, &other.rule)));
        found.dedup();
        found
    }
}
