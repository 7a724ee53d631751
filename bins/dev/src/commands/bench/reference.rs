//! What the service is compared with, and what is asked of both: a server that does the least.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::child::{self, Child};
use crate::output::note;
use crate::poll;
use crate::session::Session;

const READY_LIMIT: Duration = Duration::from_secs(20);

/// The post whose content is of the middle length.
pub(super) fn typical_post(base: &str) -> Result<String> {
    let list: Value = serde_json::from_str(&get(&format!("{base}/api/v1/posts?limit=100"))?)?;
    let slugs = list["data"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|post| post["slug"].as_str());
    let bodies = slugs.map(|slug| get(&format!("{base}/api/v1/posts/slug/{slug}")));
    let mut bodies = bodies.collect::<Result<Vec<_>>>()?;
    bodies.sort_by_key(String::len);
    let middle = bodies.len() / 2;
    bodies.into_iter().nth(middle).context("there are no posts")
}

/// Builds the example of that name of the web crate, and starts it with `setup` on its standard input.
pub(super) fn example(session: &Session, name: &str, setup: &Value) -> Result<Child> {
    note(format_args!("building {name}"));
    let mut cargo = child::command("cargo");
    cargo.args([
        "build",
        "--release",
        "-q",
        "-p",
        "prepnexus-web",
        "--example",
        name,
    ]);
    child::run_well(cargo, &session.interrupts)?;
    let target = std::env::current_exe().context("where is this program?")?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let file = tempfile(session, "setup.json", &setup.to_string())?;
    let mut command = child::command(folder.join("examples").join(name));
    command.stdin(Stdio::from(fs::File::open(&file)?));
    // Open, it stays until it was read.
    fs::remove_file(file)?;
    Child::spawn(command, &session.interrupts)
}

/// Builds and starts it; it and its address.
pub(super) fn reference(session: &Session, setup: &Value) -> Result<(Child, String)> {
    let mut server = example(session, "reference_server", setup)?;
    let base = format!("http://127.0.0.1:{}", setup["port"]);
    poll::until(
        "the reference server",
        READY_LIMIT,
        &session.interrupts,
        || {
            if let Some(status) = server.ended()? {
                bail!("the reference server ended ({status})");
            }
            Ok(get(&format!("{base}/memory/post")).ok())
        },
    )?;
    Ok((server, base))
}

/// A file only this user can read, under `target/`.
pub(super) fn tempfile(session: &Session, name: &str, text: &str) -> Result<PathBuf> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = session
        .project
        .root()
        .join("target")
        .join(format!("bench-{}-{name}", std::process::id()));
    let mut options = fs::File::options();
    let file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(path)
}

pub(super) fn get(url: &str) -> Result<String> {
    let mut response = ureq::get(url)
        .call()
        .with_context(|| format!("GET {url}"))?;
    response
        .body_mut()
        .read_to_string()
        .with_context(|| format!("GET {url}"))
}

/// What is answered to a GET, as the reference server is to send it: headers and body.
pub(super) fn fixed(url: &str) -> Result<Value> {
    let mut response = ureq::get(url)
        .call()
        .with_context(|| format!("GET {url}"))?;
    let headers = response.headers().iter();
    // The others its HTTP library adds by itself.
    let headers = headers.filter(|(name, _)| !["content-length", "date"].contains(&name.as_str()));
    let headers = headers
        .map(|(name, value)| Ok((name.as_str(), value.to_str()?)))
        .collect::<Result<Vec<_>>>()?;
    let headers = json!(headers);
    let body = response.body_mut().read_to_string()?;
    Ok(json!({"headers": headers, "body": body}))
}

pub(super) fn text_field(body: &str, path: &str) -> Result<String> {
    let value: Value = serde_json::from_str(body)?;
    let found = path.split('.').fold(&value, |value, name| &value[name]);
    Ok(found
        .as_str()
        .with_context(|| format!("no {path}"))?
        .to_owned())
}
