//! docs/CONFIG.md says what the program says.

use std::fs;
use std::path::Path;

use clap::{Arg, CommandFactory};
use prepnexus_settings::markdown;

use crate::Everything;

const INTRODUCTION: &str = "\
# Settings

<!-- Generated from bins/settings. To change it, change the settings there and run:
     UPDATE_DOCS=1 cargo test -p prepnexus-settings -->

Every setting is an environment variable and a flag; the flag wins. A value that can't be used stops the program before
it does anything, with exit code 2 and one line that names the variable and what it accepts. Durations are a number and
a unit: `500ms`, `5s`, `2m`, `1h`. Secrets appear in no log line, error or `--help`; an empty one counts as not set.

";

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CONFIG.md");
    let expected = format!("{INTRODUCTION}{}", markdown(&Everything::command()));
    #[expect(
        clippy::disallowed_methods,
        reason = "asks for the file to be written anew"
    )]
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(
            found, expected,
            "run UPDATE_DOCS=1 cargo test -p prepnexus-settings"
        );
    }
    assert_eq!(found, expected);
}

#[test]
fn every_setting_is_a_variable_and_a_flag_of_the_same_name_with_a_meaning() {
    let command = Everything::command();
    let settings: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some())
        .collect();
    assert!(settings.len() > 30, "{}", settings.len());
    for arg in settings {
        let variable = arg.get_env().and_then(|name| name.to_str()).unwrap();
        let flag = variable.to_lowercase().replace('_', "-");
        assert_eq!(arg.get_long(), Some(flag.as_str()));
        assert!(arg.get_help().is_some(), "{variable} has no meaning");
        assert!(
            arg.get_help_heading().is_some(),
            "{variable} has no heading"
        );
        assert!(
            arg.is_hide_env_values_set(),
            "--help shows {variable}'s value"
        );
        assert!(
            arg.is_global_set(),
            "{variable} is not accepted after a command"
        );
    }
}
