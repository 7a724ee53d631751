//! The commands of a document, so that a test runs what a reader types.

use std::{fs, path::Path};

/// All blocks of shell commands in the section of that heading of `docs/<document>`, as one script.
///
/// # Panics
/// Where there is no such document, or no command in such a section.
#[must_use]
pub fn commands(document: &str, section: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let heading = format!("\n## {section}\n");
    let after = text.split_once(&heading).map(|(_, after)| after);
    let body = after.and_then(|after| after.split("\n## ").next());
    let blocks = body.unwrap_or_default().split("```sh\n").skip(1);
    let script: String = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    assert!(
        !script.is_empty(),
        "no command in {section:?} of {document}"
    );
    script
}
