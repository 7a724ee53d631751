//! What `./dev bench users` compares the service with: the same reads and the same change, over SQLite at its fastest.
//!
//! Write-ahead log, memory-mapped, prepared statements; each worker reads with a connection of its own, in its own thread, without a
//! hop to another; one connection writes. A change keeps what was before, as the service's does, and is not waited for on the disk
//! (`synchronous = NORMAL`), as the service's is. Nothing is kept: SQLite is in the process already. Reads where to listen, and what posts
//! are like, from standard input as JSON.

use std::sync::{Arc, Mutex};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the benchmark tells it.
#[derive(Deserialize)]
struct Setup {
    port: u16,
    /// Where the database is to be made.
    file: String,
    /// What all posts are like, as the service shows one.
    post: Value,
    /// The number of the first, and how many there are.
    first: i64,
    count: i64,
}

const SCHEMA: &str = "
CREATE TABLE authors (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, avatar_url TEXT);
CREATE TABLE tags (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
CREATE TABLE posts (
    id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, title TEXT NOT NULL, excerpt TEXT NOT NULL, content TEXT NOT NULL,
    content_format TEXT NOT NULL, html TEXT NOT NULL, status TEXT NOT NULL, author_id INTEGER NOT NULL REFERENCES authors,
    image_url TEXT, meta_description TEXT, reading_time_minutes INTEGER NOT NULL, view_count INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, published_at TEXT);
CREATE INDEX posts_published ON posts (published_at DESC, id DESC);
CREATE TABLE post_tags (post_id INTEGER NOT NULL, tag_id INTEGER NOT NULL, PRIMARY KEY (post_id, tag_id)) WITHOUT ROWID;
CREATE TABLE post_revisions (post_id INTEGER NOT NULL, revision INTEGER NOT NULL, title TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (post_id, revision)) WITHOUT ROWID;";

const COLUMNS: &str = "p.id, p.slug, p.title, p.excerpt, p.content_format, p.status, p.image_url, p.meta_description,
    p.reading_time_minutes, p.view_count, p.revision, p.created_at, p.updated_at, p.published_at, a.id AS author_id,
    a.slug AS author_slug, a.name AS author_name, a.avatar_url,
    (SELECT json_group_array(json_object('slug', t.slug, 'name', t.name)) FROM post_tags x JOIN tags t ON t.id = x.tag_id
     WHERE x.post_id = p.id) AS tags";

fn open(file: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 1073741824;
         PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON;",
    )?;
    Ok(connection)
}

fn fill(setup: &Setup) -> anyhow::Result<Connection> {
    let mut connection = open(&setup.file)?;
    connection.execute_batch(SCHEMA)?;
    let (post, author) = (&setup.post, &setup.post["author"]);
    connection.execute(
        "INSERT INTO authors (id, slug, name) VALUES (?1, ?2, ?3)",
        params![
            author["id"].as_i64(),
            author["slug"].as_str(),
            author["name"].as_str()
        ],
    )?;
    let all = connection.transaction()?;
    for id in setup.first..setup.first + setup.count {
        let text = |name: &str| post[name].as_str();
        all.execute(
            "INSERT INTO posts (id, slug, title, excerpt, content, content_format, html, status, author_id,
                                reading_time_minutes, created_at, updated_at, published_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'published', ?8, ?9, ?10, ?10, ?11)",
            params![
                id,
                format!("copy-{}", id - setup.first + 1),
                text("title"),
                text("excerpt"),
                text("content"),
                text("content_format"),
                text("html"),
                author["id"].as_i64(),
                post["reading_time_minutes"].as_i64(),
                text("created_at"),
                text("published_at"),
            ],
        )?;
    }
    all.commit()?;
    connection.execute_batch("ANALYZE")?;
    Ok(connection)
}

fn summary(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |name: &str| row.get::<_, Option<String>>(name);
    let number = |name: &str| row.get::<_, i64>(name);
    let tags: String = row.get("tags")?;
    Ok(json!({
        "id": number("id")?, "slug": text("slug")?, "title": text("title")?, "excerpt": text("excerpt")?,
        "content_format": text("content_format")?, "status": text("status")?,
        "author": {"id": number("author_id")?, "slug": text("author_slug")?, "name": text("author_name")?, "avatar_url": text("avatar_url")?},
        "tags": serde_json::from_str::<Value>(&tags).unwrap_or_default(), "image_url": text("image_url")?,
        "meta_description": text("meta_description")?, "reading_time_minutes": number("reading_time_minutes")?,
        "view_count": number("view_count")?, "revision": number("revision")?, "created_at": text("created_at")?,
        "updated_at": text("updated_at")?, "published_at": text("published_at")?,
    }))
}

fn find(connection: &Connection, slug: &str) -> rusqlite::Result<Option<Value>> {
    let sql = format!(
        "SELECT {COLUMNS}, p.content, p.html FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.slug = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let post = statement.query_row([slug], |row| {
        let mut post = summary(row)?;
        post["content"] = row.get::<_, String>("content")?.into();
        post["html"] = row.get::<_, String>("html")?.into();
        Ok(post)
    });
    post.optional()
}

fn newest(connection: &Connection) -> rusqlite::Result<Value> {
    let sql = format!(
        "SELECT {COLUMNS} FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.published_at IS NOT NULL
         ORDER BY p.published_at DESC, p.id DESC LIMIT 20"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], summary)?;
    let data = rows.collect::<rusqlite::Result<Vec<Value>>>()?;
    Ok(json!({"data": data, "page": {"limit": 20, "next_cursor": null, "prev_cursor": null}}))
}

fn change(connection: &mut Connection, id: i64, title: &str) -> rusqlite::Result<usize> {
    let all = connection.transaction()?;
    all.prepare_cached(
        "INSERT INTO post_revisions (post_id, revision, title, content) SELECT id, revision, title, content FROM posts WHERE id = ?1",
    )?
    .execute([id])?;
    let changed = all
        .prepare_cached("UPDATE posts SET title = ?2, revision = revision + 1, updated_at = strftime('%FT%TZ') WHERE id = ?1")?
        .execute(params![id, title])?;
    all.commit()?;
    Ok(changed)
}

/// What the form of a change is.
#[derive(Deserialize)]
struct Change {
    title: String,
}

type Reader = web::Data<Connection>;
type Writer = web::Data<Mutex<Connection>>;

async fn get_post(reader: Reader, slug: web::Path<String>) -> HttpResponse {
    match find(&reader, &slug) {
        Ok(Some(post)) => HttpResponse::Ok().json(post),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn get_posts(reader: Reader) -> HttpResponse {
    match newest(&reader) {
        Ok(page) => HttpResponse::Ok().json(page),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn patch_post(writer: Writer, id: web::Path<i64>, body: web::Json<Change>) -> HttpResponse {
    let changing = web::block(move || {
        let mut connection = writer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut connection, *id, &body.title)
    });
    match changing.await {
        Ok(Ok(1)) => HttpResponse::Ok().json(json!({})),
        Ok(Ok(_)) => HttpResponse::NotFound().finish(),
        Ok(Err(error)) => HttpResponse::InternalServerError().body(error.to_string()),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let setup: Setup = serde_json::from_reader(std::io::stdin())?;
    let writer = web::Data::from(Arc::new(Mutex::new(fill(&setup)?)));
    let file = setup.file.clone();
    open(&file).context("the database can't be read")?;
    let server = HttpServer::new(move || {
        let reader = open(&file).expect("it was opened before");
        App::new()
            .app_data(web::Data::new(reader))
            .app_data(writer.clone())
            .route("/api/v1/posts/slug/{slug}", web::get().to(get_post))
            .route("/api/v1/posts", web::get().to(get_posts))
            .route("/api/v1/posts/{id}", web::patch().to(patch_post))
    });
    server
        .workers(2)
        .bind(("127.0.0.1", setup.port))?
        .run()
        .await?;
    Ok(())
}
