//! One line and exit code 2 for whatever is wrong with a program's arguments and variables.
//!
//! `clap` knows which argument is wrong and why, but says it in several lines, by the flag, and with the value, which may
//! be a password. Everything it says is said anew here. Help and version are left to it.

use std::any::TypeId;
use std::error::Error as _;
use std::path::Path;
use std::{env, process};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Parser};
use prepnexus_storage::Secret;

use crate::{error::SettingsError, pages};

/// The process's arguments and environment, or the end of the process: exit code 2 and one line on standard error, or
/// code 0 after `--help` and `--version`.
#[must_use]
pub fn parse_or_exit<T: Parser>() -> T {
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == pages::WORD)
        && let Some(dir) = words.next()
    {
        match pages::write(&T::command(), Path::new(&dir)) {
            Ok(()) => process::exit(0),
            Err(error) => stop(&format!("{dir:?}: {error}")),
        }
    }
    T::try_parse().unwrap_or_else(|error| {
        if matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        ) {
            error.exit();
        }
        stop(&usage_line(&error, T::command()))
    })
}

/// The value, or the end of the process: exit code 2 and one line on standard error.
pub fn or_exit<T>(result: Result<T, SettingsError>) -> T {
    result.unwrap_or_else(|error| stop(&error.to_string()))
}

#[expect(
    clippy::print_stderr,
    reason = "nothing is logging yet, and the line is for whoever started the program"
)]
fn stop(line: &str) -> ! {
    eprintln!("error: {line}");
    process::exit(2)
}

/// What `error` means, in one line, without a secret's value. `command` is the one that was being parsed.
#[must_use]
pub fn usage_line(error: &clap::Error, mut command: Command) -> String {
    command.build();
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let culprit = context(ContextKind::InvalidArg).and_then(|shown| find(&command, shown));
    match (error.kind(), culprit) {
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(arg)) => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            value_line(error, &arg, value)
        }
        (ErrorKind::InvalidUtf8, _) => {
            let name = not_utf8(&command).unwrap_or_else(|| "an argument".to_owned());
            format!("{name}: the value is not accepted: expected UTF-8 text")
        }
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => {
            "a command is missing: see --help".to_owned()
        }
        _ => format!("{} (see --help)", first_paragraph(error)),
    }
}

fn value_line(error: &clap::Error, arg: &Arg, value: &str) -> String {
    let name = name_of(arg);
    if value.is_empty() && error.kind() == ErrorKind::InvalidValue {
        return format!("{name}: expected a value");
    }
    let expected = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(valid))) => format!("expected {}", any_of(valid)),
        (None, _) => "see --help".to_owned(),
    };
    if arg.get_value_parser().type_id() == TypeId::of::<Secret>() {
        return format!("{name}: the value is not accepted: {expected}");
    }
    format!("{name}: {value:?} is not accepted: {expected}")
}

/// The variable's name, or the flag's where there is no variable.
fn name_of(arg: &Arg) -> String {
    match arg.get_env() {
        Some(variable) => variable.to_string_lossy().into_owned(),
        None => arg
            .get_long()
            .map_or_else(|| arg.to_string(), |long| format!("--{long}")),
    }
}

/// The argument that `clap` shows as `shown`, of the command or of any below it.
fn find(command: &Command, shown: &str) -> Option<Arg> {
    let own = command.get_arguments().find(|arg| arg.to_string() == shown);
    own.cloned().or_else(|| {
        command
            .get_subcommands()
            .find_map(|below| find(below, shown))
    })
}

/// The first variable whose value is no text: `clap` doesn't say which it is.
#[expect(
    clippy::disallowed_methods,
    reason = "this crate is the one that reads the environment"
)]
fn not_utf8(command: &Command) -> Option<String> {
    let variables = command.get_arguments().filter_map(Arg::get_env);
    variables
        .filter(|name| env::var_os(name).is_some_and(|value| value.to_str().is_none()))
        .map(|name| name.to_string_lossy().into_owned())
        .next()
}

/// `clap`'s message up to its first blank line, as one line.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn any_of(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
