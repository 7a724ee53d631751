//! The settings as tables for the documentation, made from the same definitions that read them.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// A table per heading of `command`'s settings: those of its arguments that are variables too.
#[must_use]
pub fn markdown(command: &Command) -> String {
    let mut text = String::new();
    let mut heading = None;
    for arg in command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some())
    {
        if heading != Some(arg.get_help_heading()) {
            heading = Some(arg.get_help_heading());
            let title = arg.get_help_heading().unwrap_or("Other");
            let _ = write!(
                text,
                "{}## {title}\n\n| variable | flag | default | meaning |\n|---|---|---|---|\n",
                if text.is_empty() { "" } else { "\n" }
            );
        }
        text.push_str(&row(arg));
    }
    text
}

fn row(arg: &Arg) -> String {
    let code = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("`{text}`")
        }
    };
    let variable = arg
        .get_env()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let flag = arg
        .get_long()
        .map(|long| format!("--{long}"))
        .unwrap_or_default();
    let help = arg
        .get_long_help()
        .or(arg.get_help())
        .map(ToString::to_string);
    let meaning = help
        .unwrap_or_default()
        .replace('\n', " ")
        .replace('|', "\\|");
    let cells = [
        code(&variable),
        code(&flag),
        code(&defaults.join(",")),
        meaning,
    ];
    format!("| {} |\n", cells.join(" | "))
}
