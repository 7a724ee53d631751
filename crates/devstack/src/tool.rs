//! Runs a helper program to its end, but never for longer than it is given: a frozen server never answers `psql`.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{During, Error, Result};
use crate::wait::wait_for;

/// Runs `command` with `input` and gives what it printed. Files rather than pipes carry the data, so that neither side
/// can block the other.
pub(crate) fn run(
    mut command: Command,
    name: &str,
    input: &str,
    limit: Duration,
) -> Result<String> {
    let doing = || format!("run {name}");
    let (mut stdin, mut stdout, mut stderr) = (scratch(name)?, scratch(name)?, scratch(name)?);
    stdin.write_all(input.as_bytes()).during(doing)?;
    stdin.rewind().during(doing)?;
    command
        .stdin(stdin)
        .stdout(share(&stdout, name)?)
        .stderr(share(&stderr, name)?);
    let mut child = command.spawn().during(doing)?;
    let ended = wait_for(name, limit, || child.try_wait().during(doing));
    let status = match ended {
        Ok(status) => status,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    if status.success() {
        let output = text(&mut stdout, name)?;
        return Ok(output.strip_suffix('\n').unwrap_or(&output).to_owned());
    }
    let stderr = text(&mut stderr, name)?.trim_end().to_owned();
    Err(Error::Tool {
        tool: name.to_owned(),
        status: status.to_string(),
        stderr,
    })
}

fn scratch(name: &str) -> Result<File> {
    tempfile::tempfile().during(|| format!("make a temporary file for {name}"))
}

fn share(file: &File, name: &str) -> Result<Stdio> {
    Ok(Stdio::from(
        file.try_clone().during(|| format!("run {name}"))?,
    ))
}

fn text(file: &mut File, name: &str) -> Result<String> {
    let reading = || format!("read what {name} printed");
    let mut bytes = Vec::new();
    file.rewind().during(reading)?;
    file.read_to_end(&mut bytes).during(reading)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
