//! Files of the old system, made up: posts, authors, and planted damage of every kind that such files have.
//!
//! The same numbers give the same file.

use std::{collections::BTreeMap, fs, path::Path};

use rusqlite::{Connection, types::Value};

use crate::error::Error;

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE blogs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, author TEXT NOT NULL, content TEXT NOT NULL,
        image TEXT, tags TEXT, created_at TEXT, updated_at TEXT, published_at TEXT, status TEXT DEFAULT 'draft',
        slug TEXT, meta_description TEXT, view_count INTEGER DEFAULT 0, avatar TEXT, date TEXT);
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL, name TEXT, password_hash TEXT, created_at TEXT,
        updated_at TEXT, last_login TEXT, is_active BOOLEAN DEFAULT 1, role TEXT DEFAULT 'user');
    CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, company TEXT);
    INSERT INTO jobs (title, company) VALUES ('Engineer', 'Example Ltd');
    BEGIN";
/// The last parameter says which column is text that is none.
const INSERT: &str = "
    INSERT INTO blogs (id, title, author, content, image, tags, created_at, updated_at, published_at, status, slug,
        view_count, date)
    VALUES (?1, CASE WHEN typeof(?2) = 'blob' THEN CAST(?2 AS TEXT) ELSE ?2 END, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

const WORDS: [&str; 24] = [
    "array",
    "tree",
    "graph",
    "heap",
    "stack",
    "queue",
    "search",
    "index",
    "cache",
    "shard",
    "replica",
    "leader",
    "quorum",
    "latency",
    "deadline",
    "transaction",
    "isolation",
    "lock",
    "planner",
    "join",
    "cursor",
    "interview",
    "question",
    "answer",
];
const TAGS: [&str; 6] = ["dsa", "system design", "SQL", "C++", "résumé", "テスト"];

/// What a kind of damage is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// What it means.
    Imported,
    /// That, changed on the way, for this reason.
    Adjusted(&'static str),
    /// Nothing, for this reason.
    Rejected(&'static str),
}

/// A kind of damage: what it is called, what it is to become, and how a row gets it.
struct Kind {
    name: &'static str,
    becomes: Becomes,
    damage: fn(&mut Row),
}

const fn kind(name: &'static str, becomes: Becomes, damage: fn(&mut Row)) -> Kind {
    Kind {
        name,
        becomes,
        damage,
    }
}

const KINDS: [Kind; 25] = [
    kind("date with T and Z", Becomes::Imported, |row| {
        row.created_at = text("2024-05-01T10:20:30Z");
    }),
    kind("date with an offset", Becomes::Imported, |row| {
        row.created_at = text("2024-05-01 10:20:30+05:30");
    }),
    kind("date in seconds", Becomes::Imported, |row| {
        row.created_at = Value::Integer(1_714_558_830);
    }),
    kind("date in milliseconds", Becomes::Imported, |row| {
        row.created_at = Value::Integer(1_714_558_830_123);
    }),
    kind("date of an e-mail", Becomes::Imported, |row| {
        row.created_at = text("Wed, 01 May 2024 10:20:30 +0000");
    }),
    kind("day alone", Becomes::Imported, |row| {
        row.created_at = text("2024-05-01");
    }),
    kind("empty text for a date", Becomes::Imported, |row| {
        row.created_at = text("");
    }),
    kind("tags between commas", Becomes::Imported, |row| {
        row.tags = text("dsa, SQL ,dsa");
    }),
    kind("one word for tags", Becomes::Imported, |row| {
        row.tags = text("career");
    }),
    kind("no tags", Becomes::Imported, |row| row.tags = Value::Null),
    kind("status in capitals", Becomes::Imported, |row| {
        row.status = text(" PUBLISHED ");
    }),
    kind("views as text", Becomes::Imported, |row| {
        row.view_count = text("42");
    }),
    kind("content as a BLOB", Becomes::Imported, |row| {
        row.content = Value::Blob("<p>naïve</p>".into());
    }),
    kind("name with white space", Becomes::Imported, |row| {
        row.author = text("  Asha   Rao ");
    }),
    kind("no address", Becomes::Adjusted("slug_derived"), |row| {
        row.slug = Value::Null;
    }),
    kind(
        "bytes that are no text",
        Becomes::Rejected("invalid_utf8"),
        |row| {
            row.title = Value::Blob(b"caf\xe9 \xff".to_vec());
        },
    ),
    kind("a NUL byte", Becomes::Rejected("nul_byte"), |row| {
        row.content = text("before\0after");
    }),
    kind(
        "a word for views",
        Becomes::Rejected("not_an_integer"),
        |row| row.view_count = text("many"),
    ),
    kind(
        "views with a fraction",
        Becomes::Rejected("not_an_integer"),
        |row| {
            row.view_count = Value::Real(12.7);
        },
    ),
    kind("no title", Becomes::Rejected("missing_title"), |row| {
        row.title = text(" \t");
    }),
    kind("a long title", Becomes::Rejected("too_long"), |row| {
        row.title = text(&"x".repeat(10_000));
    }),
    kind(
        "an unknown status",
        Becomes::Rejected("unknown_status"),
        |row| row.status = text("publshed"),
    ),
    kind(
        "a date that is none",
        Becomes::Rejected("bad_date"),
        |row| row.created_at = text("soon"),
    ),
    kind("cut tags", Becomes::Rejected("bad_tags"), |row| {
        row.tags = text("[\"dsa\", \"sq");
    }),
    kind("a negative number", Becomes::Rejected("bad_id"), |row| {
        row.id = -row.id;
    }),
];

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planted {
    /// Rows of `blogs`, of `users` and of `jobs`.
    pub rows: [u64; 3],
    /// Each kind of damage with what it is to become, and how often it is there.
    pub kinds: Vec<(&'static str, Becomes, u64)>,
    /// Rows that have another row's address.
    pub same_address: u64,
}

impl Planted {
    /// How often each reason is to be in a report's table `blogs`.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<&'static str, u64> {
        let mut reasons = BTreeMap::from([("slug_suffixed", self.same_address)]);
        for (_, becomes, count) in &self.kinds {
            if let Becomes::Adjusted(reason) | Becomes::Rejected(reason) = becomes {
                *reasons.entry(reason).or_default() += count;
            }
        }
        reasons.retain(|_, count| *count > 0);
        reasons
    }

    /// Posts that are to be rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        let kinds = self.kinds.iter();
        let rejected = kinds.filter(|(_, becomes, _)| matches!(becomes, Becomes::Rejected(_)));
        rejected.map(|(_, _, count)| count).sum()
    }
}

/// A row of `blogs`.
struct Row {
    id: i64,
    title: Value,
    author: Value,
    content: Value,
    tags: Value,
    created_at: Value,
    status: Value,
    slug: Value,
    view_count: Value,
}

/// Reads every value of every post, and does nothing with it; how many bytes of text that is.
///
/// # Errors
/// [`Error::Answer`] where SQLite can't read it.
pub fn read(path: &Path) -> Result<usize, Error> {
    let read = || -> rusqlite::Result<usize> {
        let db = Connection::open(path)?;
        let mut statement = db.prepare("SELECT * FROM blogs")?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                bytes += row
                    .get_ref(column)?
                    .as_bytes_or_null()
                    .ok()
                    .flatten()
                    .map_or(0, <[u8]>::len);
            }
        }
        Ok(bytes)
    };
    read().map_err(|error| failed(path, &error))
}

/// Writes a file with so many posts, of which `damaged` in a thousand have some damage.
///
/// # Errors
/// [`Error::Answer`] where SQLite can't write it.
pub fn write(path: &Path, posts: u32, damaged: u32) -> Result<Planted, Error> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    let db = Connection::open(path).map_err(|error| failed(path, &error))?;
    db.execute_batch(SCHEMA)
        .map_err(|error| failed(path, &error))?;
    let mut rng = fastrand::Rng::with_seed(7);
    let mut planted = Planted {
        kinds: KINDS
            .iter()
            .map(|kind| (kind.name, kind.becomes, 0))
            .collect(),
        ..Planted::default()
    };
    let accounts = posts.div_ceil(50);
    let write = |planted: &mut Planted| -> rusqlite::Result<()> {
        let mut insert = db.prepare(INSERT)?;
        for id in 1..=posts {
            let mut row = Row::random(&mut rng, id);
            if rng.u32(0..1_000) < damaged {
                // One more than there are kinds: an address of another row.
                match planted.kinds.get_mut(rng.usize(0..=KINDS.len())) {
                    Some((name, _, count)) => {
                        *count += 1;
                        let kind = KINDS.iter().find(|kind| kind.name == *name);
                        kind.inspect(|kind| (kind.damage)(&mut row));
                    }
                    None => {
                        row.slug = text("the-same");
                        planted.same_address += 1;
                    }
                }
            }
            row.insert(&mut insert, id)?;
        }
        let mut insert =
            db.prepare("INSERT INTO users (email, name, created_at) VALUES (?1, ?2, ?3)")?;
        for id in 1..=accounts {
            let (email, name) = (format!("user{id}@example.com"), format!("Author {id}"));
            insert.execute((email, name, moment(&mut rng)))?;
        }
        db.execute_batch("COMMIT")
    };
    let mut write = write;
    write(&mut planted).map_err(|error| failed(path, &error))?;
    planted.rows = [u64::from(posts), u64::from(accounts), 1];
    // The first of them keeps it.
    planted.same_address = planted.same_address.saturating_sub(1);
    Ok(planted)
}

fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    Error::Answer {
        what: path.display().to_string(),
        answer: error.to_string(),
    }
}

impl Row {
    fn random(rng: &mut fastrand::Rng, id: u32) -> Self {
        let title = words(rng, 3, 8);
        let paragraphs: Vec<String> = (0..rng.usize(1..=3)).map(|_| words(rng, 8, 30)).collect();
        let tags: Vec<&str> = TAGS.into_iter().filter(|_| rng.u32(0..4) == 0).collect();
        let tags = serde_json::to_string(&tags);
        let status =
            ["published", "draft", "archived"][usize::from(rng.u32(0..10) == 0) * rng.usize(0..3)];
        Self {
            id: i64::from(id),
            content: text(&format!("<p>{}</p>", paragraphs.join("</p><p>"))),
            author: text(&format!("Author {}", rng.u32(1..=400))),
            tags: text(&tags.unwrap_or_default()),
            created_at: text(&moment(rng)),
            status: text(status),
            slug: text(&format!("{}-{id}", title.replace(' ', "-"))),
            view_count: Value::Integer(rng.i64(0..5_000)),
            title: text(&title),
        }
    }

    fn insert(&self, statement: &mut rusqlite::Statement<'_>, id: u32) -> rusqlite::Result<usize> {
        let date = Value::Text("2024-05-02".into());
        let image = text(&format!("https://img.example/{id}.jpg"));
        let values: [&Value; 13] = [
            &Value::Integer(self.id),
            &self.title,
            &self.author,
            &self.content,
            &image,
            &self.tags,
            &self.created_at,
            &self.created_at,
            &Value::Null,
            &self.status,
            &self.slug,
            &self.view_count,
            &date,
        ];
        statement.execute(rusqlite::params_from_iter(values))
    }
}

fn words(rng: &mut fastrand::Rng, least: usize, most: usize) -> String {
    let count = rng.usize(least..=most);
    let words: Vec<&str> = (0..count)
        .map(|_| WORDS[rng.usize(0..WORDS.len())])
        .collect();
    words.join(" ")
}

fn moment(rng: &mut fastrand::Rng) -> String {
    format!(
        "20{}-{:02}-{:02} {:02}:{:02}:{:02}",
        rng.u32(19..=25),
        rng.u32(1..=12),
        rng.u32(1..=28),
        rng.u32(0..24),
        rng.u32(0..60),
        rng.u32(0..60)
    )
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
