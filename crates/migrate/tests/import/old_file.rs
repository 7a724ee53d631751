//! Files of the old system, made row by row.

use std::{fs, path::PathBuf};

use rusqlite::{Connection, types::Value};
use tempfile::TempDir;

/// As the old system made it.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE blogs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, author TEXT NOT NULL, content TEXT NOT NULL,
        image TEXT, tags TEXT, created_at TEXT, updated_at TEXT, published_at TEXT, status TEXT DEFAULT 'draft',
        slug TEXT, meta_description TEXT, view_count INTEGER DEFAULT 0, avatar TEXT, date TEXT);
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL, name TEXT, password_hash TEXT,
        created_at TEXT, is_active BOOLEAN DEFAULT 1);
    CREATE TABLE jobs (id INTEGER PRIMARY KEY, title TEXT);";

/// A file in a directory of its own.
pub(crate) struct OldFile {
    dir: TempDir,
    pub(crate) db: Connection,
}

impl OldFile {
    pub(crate) fn new() -> Self {
        Self::with(SCHEMA)
    }

    pub(crate) fn with(schema: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let db = Connection::open(dir.path().join("old.sqlite")).expect("a file");
        db.execute_batch(schema).expect("its tables");
        Self { dir, db }
    }

    /// One with each of these usable rows, with some columns otherwise.
    pub(crate) fn of(rows: &[&[(&str, Value)]]) -> Self {
        let file = Self::new();
        for row in rows {
            file.add(row);
        }
        file
    }

    /// So many usable rows, with the numbers 1 and up.
    pub(crate) fn many(rows: u32) -> Self {
        let file = Self::new();
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                   INSERT INTO blogs (title, author, content, created_at, status, slug, tags)
                   SELECT 'Title ' || i, 'Author ' || (i % 7), '<p>The text of ' || i || '</p>', '2024-05-01 10:20:30',
                       'published', 'post-' || i, 'SQL' FROM n";
        file.db.execute(sql, [rows]).expect("rows");
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("old.sqlite")
    }

    /// Another file beside it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// All files of the directory, by name.
    pub(crate) fn all(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.dir.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut files: Vec<(String, Vec<u8>)> = paths
            .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
            .collect();
        files.sort();
        files
    }

    /// Adds a usable row, with some columns otherwise.
    pub(crate) fn add(&self, columns: &[(&str, Value)]) {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut row = vec![
            ("title", text("A title")),
            ("author", text("Ada")),
            ("content", text("<p>x</p>")),
            ("created_at", text("2024-05-01 10:20:30")),
            ("status", text("published")),
            ("slug", text("a-title")),
        ];
        for (name, value) in columns {
            row.retain(|(other, _)| other != name);
            row.push((name, value.clone()));
        }
        let names: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        // Text that is none comes as bytes, and is called text all the same.
        let cast = |(_, value): &(&str, Value)| match value {
            Value::Blob(bytes) if bytes.starts_with(b"text:") => "CAST(substr(?, 6) AS TEXT)",
            _ => "?",
        };
        let places: Vec<&str> = row.iter().map(cast).collect();
        let sql = format!(
            "INSERT INTO blogs ({}) VALUES ({})",
            names.join(","),
            places.join(",")
        );
        let values = rusqlite::params_from_iter(row.into_iter().map(|(_, value)| value));
        self.db.execute(&sql, values).expect("a row");
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn bytes(bytes: &[u8]) -> Value {
    Value::Blob([b"text:", bytes].concat())
}
