//! What a package ships beside a program, made from the program's own definition: manual pages, and completions for shells.

use std::{fs, io, path::Path};

use clap::Command;
use clap_complete::{Shell, generate_to};

/// The word that has [`parse_or_exit`](crate::parse_or_exit) write the pages into a directory instead of running: for whoever makes packages.
pub(crate) const WORD: &str = "generate-pages";

/// Writes `man/*.1`, one for the program and one for each of its commands, and `completions/*`.
pub(crate) fn write(command: &Command, dir: &Path) -> io::Result<()> {
    let (man, completions) = (dir.join("man"), dir.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(command.clone(), &man)?;
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), &name, &completions)?;
    }
    Ok(())
}
