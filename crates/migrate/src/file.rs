//! The migration files: their names, their order, their checksums.
//!
//! A file is named `NNNN_name.sql`; versions count up from 0001 without a gap, so that two branches which both add "the
//! next" one collide when they are merged, not when they are deployed.

mod header;

use std::{fmt, fs, path::Path};

use sha2::{Digest, Sha256};

use crate::{
    error::FileError,
    statement::{self, Kind, Statement},
};

pub use header::{Header, Waiver};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../migrations/", $name)))),+]
    };
}

/// Every file of the directory `migrations`; a test compares.
const BUILT_IN: &[(&str, &str)] = built_in![
    "0001_content.sql",
    "0002_service.sql",
    "0003_grants.sql",
    "0004_change_beat.sql",
    "0005_author_emails.sql",
    "0006_backups.sql",
];

/// One migration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The number its name begins with.
    pub version: i32,
    /// The rest of its name, without `.sql`.
    pub name: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub checksum: String,
    /// What it says about itself.
    pub header: Header,
    /// Its text.
    pub text: String,
    /// Its statements.
    pub statements: Vec<Statement>,
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&file_name(self.version, &self.name))
    }
}

pub(crate) fn file_name(version: i32, name: &str) -> String {
    format!("{version:04}_{name}.sql")
}

/// A sequence of migrations: versions 1, 2, 3, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrations(Vec<Migration>);

impl Migrations {
    /// The files of this repository.
    #[must_use]
    pub fn built_in() -> Self {
        let files = BUILT_IN.iter().map(|(name, text)| read(name, text));
        Self::in_order(files.collect())
            .expect("a test reads the built-in files, and they don't change afterwards")
    }

    /// The `.sql` files of a directory; files of other kinds are left alone.
    ///
    /// # Errors
    /// [`FileError`], naming the file.
    pub fn from_dir(path: &Path) -> Result<Self, FileError> {
        let failed = |path: &Path, source| FileError::Read {
            path: path.display().to_string(),
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(|e| failed(path, e))? {
            let file = entry.map_err(|e| failed(path, e))?.path();
            if file.extension().is_some_and(|extension| extension == "sql") {
                let text = fs::read_to_string(&file).map_err(|e| failed(&file, e))?;
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                files.push(read(&name, &text));
            }
        }
        Self::in_order(files)
    }

    /// The migrations, by version.
    #[must_use]
    pub fn list(&self) -> &[Migration] {
        &self.0
    }

    /// The first so many of them.
    #[must_use]
    pub fn up_to(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }

    /// One checksum for all of them: another one means another schema.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for migration in &self.0 {
            hasher.update(migration.to_string());
            hasher.update(&migration.checksum);
        }
        hex(&hasher.finalize())
    }

    fn in_order(files: Vec<Result<Migration, FileError>>) -> Result<Self, FileError> {
        let mut list = files.into_iter().collect::<Result<Vec<_>, _>>()?;
        list.sort_by_key(|migration| migration.version);
        for pair in list.windows(2) {
            if pair[0].version == pair[1].version {
                return Err(FileError::Duplicate(
                    pair[0].to_string(),
                    pair[1].to_string(),
                ));
            }
        }
        for (expected, migration) in (1..).zip(&list) {
            if migration.version != expected {
                return Err(FileError::Gap {
                    file: migration.to_string(),
                    expected,
                });
            }
        }
        Ok(Self(list))
    }
}

fn read(file: &str, text: &str) -> Result<Migration, FileError> {
    let bad_name = || FileError::Name(file.to_owned());
    let stem = file.strip_suffix(".sql").ok_or_else(bad_name)?;
    let (digits, name) = stem.split_once('_').ok_or_else(bad_name)?;
    let is_digits = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !(is_digits && is_name) {
        return Err(bad_name());
    }
    let mut statements = statement::split(text);
    let header = header::read(text, &mut statements).map_err(|(line, why)| FileError::Header {
        file: file.to_owned(),
        line,
        why,
    })?;
    for statement in &statements {
        check(statement, &header).map_err(|why| FileError::Statement {
            file: file.to_owned(),
            line: statement.line,
            why,
        })?;
    }
    Ok(Migration {
        version: digits.parse().map_err(|_| bad_name())?,
        name: name.to_owned(),
        checksum: checksum(text),
        header,
        text: text.to_owned(),
        statements,
    })
}

/// Whether a runner can run it, and bring it to an end.
fn check(statement: &Statement, header: &Header) -> Result<(), &'static str> {
    if statement.controls_transaction() {
        return Err("a migration can't begin or end transactions itself");
    }
    match Kind::of(&statement.sql) {
        Kind::Refused(why) => Err(why),
        Kind::Transactional => Ok(()),
        _ if header.transaction => {
            Err("it can't run in a transaction: begin the file with `-- migrate: no-transaction`")
        }
        _ if statement.repeats => Err("it changes no rows, and can't be repeated until it doesn't"),
        _ => Ok(()),
    }
}

/// The SHA-256 of a text, in hexadecimal.
pub(crate) fn checksum(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::{BUILT_IN, FileError, Migrations, read};

    #[test]
    fn every_file_of_the_directory_is_built_in() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        let files: BTreeSet<String> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        let built_in: BTreeSet<String> = BUILT_IN.iter().map(|(n, _)| (*n).to_owned()).collect();
        assert_eq!(files, built_in);
        assert_eq!(
            Migrations::from_dir(&dir).unwrap(),
            Migrations::built_in(),
            "built from the files as they are"
        );
    }

    #[test]
    fn a_checksum_is_of_the_bytes() {
        let migration = read("0001_a.sql", "abc").unwrap();
        assert_eq!(
            migration.checksum,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn names_of_another_form_are_refused() {
        for name in [
            "1_a.sql",
            "0001a.sql",
            "0001_.sql",
            "0001_A.sql",
            "0001_a.SQL",
            "00 1_a.sql",
        ] {
            assert!(matches!(read(name, ""), Err(FileError::Name(_))), "{name}");
        }
    }

    #[test]
    fn versions_count_up_without_gap_or_double() {
        let of = |names: &[&str]| Migrations::in_order(names.iter().map(|n| read(n, "")).collect());
        assert!(of(&["0002_b.sql", "0001_a.sql"]).is_ok());
        assert!(matches!(
            of(&["0001_a.sql", "0003_c.sql"]),
            Err(FileError::Gap { expected: 2, .. })
        ));
        assert!(matches!(
            of(&["0001_a.sql", "0001_b.sql"]),
            Err(FileError::Duplicate(..))
        ));
    }

    #[test]
    fn what_a_runner_can_not_bring_to_an_end_is_refused() {
        for (text, why) in [
            ("\n-- x\n commit;", "a migration can't begin or end"),
            (
                "\n-- x\n CREATE INDEX CONCURRENTLY a ON b (c);",
                "it can't run in a transaction: begin the file with",
            ),
            (
                "-- migrate: no-transaction\n-- migrate: repeat\nVACUUM;",
                "it changes no rows",
            ),
            ("\n-- x\n CREATE DATABASE a;", "it is not undone"),
        ] {
            let error = read("0001_a.sql", text).unwrap_err().to_string();
            let start = format!("0001_a.sql, line 3: {why}");
            assert!(error.starts_with(&start), "{error}");
        }
        let text = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a ON b (c);";
        assert!(!read("0001_a.sql", text).unwrap().header.transaction);
    }
}
