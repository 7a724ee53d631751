//! `.dev/env`: the settings of what is running, one `NAME=value` a line, for programs and for shells.
//!
//! It holds passwords, so that nobody else may read it, and it is replaced as a whole, so that nobody reads half of it.
//! Lines that are not ours stay.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Variables that would lead elsewhere than the private servers if they were inherited.
const MISLEADING: [&str; 29] = [
    "DATABASE_URL",
    "DB_HOST",
    "DB_PORT",
    "DB_NAME",
    "DB_USER",
    "DB_PASSWORD",
    "DB_PASSWORD_FILE",
    "DB_SSLMODE",
    "DB_SSLROOTCERT",
    "DB_OWNER",
    "DB_OWNER_PASSWORD",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_SENTINELS",
    "REDIS_MASTER",
    "REDIS_SENTINEL_PASSWORD",
    "REDIS_CLUSTER",
    "REDIS_TLS",
    "REDIS_TLS_CA",
    "REDIS_TLS_CERT",
    "REDIS_TLS_KEY",
    "CACHE_MEMORY_BYTES",
    "API_HOST",
    "API_PORT",
    "ADMIN_PORT",
    "PREPNEXUS_ADMIN_KEY",
];

/// The variables of `.dev/env`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvFile {
    values: BTreeMap<String, String>,
}

impl EnvFile {
    /// The file's variables; none when there is no file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let values = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            values: values.collect(),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let opened = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new);
        let written = opened.and_then(|mut file| file.write_all(self.text().as_bytes()));
        let renamed = written.and_then(|()| fs::rename(&new, path));
        renamed.with_context(|| format!("can't write {}", path.display()))
    }

    fn text(&self) -> String {
        let lines = self
            .values
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        lines.collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// The value, made and kept if there is none.
    pub(crate) fn get_or_set(
        &mut self,
        name: &str,
        make: impl FnOnce() -> Result<String>,
    ) -> Result<String> {
        if let Some(value) = self.get(name) {
            return Ok(value.to_owned());
        }
        let value = make()?;
        self.set(name, &value);
        Ok(value)
    }

    /// Gives a program these variables, and none that would contradict them.
    pub(crate) fn apply(&self, command: &mut Command) {
        for name in MISLEADING {
            command.env_remove(name);
        }
        command.envs(&self.values);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_only_the_owner_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        assert_eq!(EnvFile::read(&path).unwrap(), EnvFile::default());
        fs::write(&path, "# mine\nEXTRA=a=b\n").unwrap();
        let mut file = EnvFile::read(&path).unwrap();
        file.set("DB_PORT", "1,2");
        assert_eq!(
            file.get_or_set("DB_PORT", || unreachable!()).unwrap(),
            "1,2"
        );
        assert_eq!(
            file.get_or_set("DB_PASSWORD", || Ok("x".into())).unwrap(),
            "x"
        );
        file.write(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "DB_PASSWORD=x\nDB_PORT=1,2\nEXTRA=a=b\n"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(EnvFile::read(&path).unwrap(), file);
    }

    #[test]
    fn inherited_variables_do_not_lead_elsewhere() {
        let mut command = Command::new("env");
        let file = EnvFile::parse("DB_HOST=127.0.0.1");
        command
            .env("DATABASE_URL", "postgresql://other.invalid/db")
            .env("DB_HOST", "other.invalid");
        file.apply(&mut command);
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(
            output.contains("DB_HOST=127.0.0.1") && !output.contains("other.invalid"),
            "{output}"
        );
    }
}
