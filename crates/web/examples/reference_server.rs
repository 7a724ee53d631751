//! What the benchmarks compare with: the least code that answers with the same bytes.
//!
//! `/memory/post` and `/memory/list` send fixed bytes; `/bare/post/{slug}` runs the service's own
//! statement on a bare deadpool pool and serializes the row. Takes the listening port, the database
//! port, the user, the password, the database, and the files with the fixed bytes. Built and driven
//! by `./dev bench read`; nothing else uses it.

use actix_web::{App, HttpResponse, HttpServer, web};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use prepnexus_domain::{AuthorRef, ContentFormat, Post, TagRef};
use tokio_postgres::{NoTls, Row};

/// The statement of `GET /api/v1/posts/slug/{slug}`.
const SQL: &str =
    "SELECT p.id, p.slug, p.title, p.excerpt, p.content, p.content_format, p.html, p.status,
       p.image_url, p.meta_description, p.reading_time_minutes, p.revision, p.created_by,
       p.created_at, p.updated_at, p.published_at, v.view_count,
       a.id AS author_id, a.slug AS author_slug, a.name AS author_name,
       a.avatar_url AS author_avatar_url,
       ARRAY(SELECT t.slug || ' ' || t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
             WHERE pt.post_id = p.id ORDER BY pt.position) AS tags
FROM post_slugs s JOIN posts p ON p.id = s.post_id JOIN authors a ON a.id = p.author_id
     JOIN post_views v ON v.post_id = p.id
WHERE s.slug = $1";

async fn bare_post(pool: web::ThinData<Pool>, slug: web::Path<String>) -> HttpResponse {
    let client = pool.get().await.expect("a connection");
    let statement = client.prepare_cached(SQL).await.expect("the statement");
    let row = client
        .query_one(&statement, &[&*slug])
        .await
        .expect("a row");
    HttpResponse::Ok().json(post(&row))
}

fn post(row: &Row) -> Post {
    let tags: Vec<String> = row.get("tags");
    let tags = tags.iter().filter_map(|pair| pair.split_once(' '));
    Post {
        id: row.get("id"),
        slug: row.get("slug"),
        title: row.get("title"),
        excerpt: row.get("excerpt"),
        content: row.get("content"),
        content_format: ContentFormat::from_name(row.get("content_format")).expect("a format"),
        html: row.get("html"),
        status: row.get::<_, &str>("status").parse().expect("a status"),
        author: AuthorRef {
            id: row.get("author_id"),
            slug: row.get("author_slug"),
            name: row.get("author_name"),
            avatar_url: row.get("author_avatar_url"),
        },
        tags: tags
            .map(|(slug, name)| TagRef {
                slug: slug.into(),
                name: name.into(),
            })
            .collect(),
        image_url: row.get("image_url"),
        meta_description: row.get("meta_description"),
        reading_time_minutes: row.get("reading_time_minutes"),
        view_count: row.get("view_count"),
        revision: row.get("revision"),
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
        published_at: row.get("published_at"),
    }
}

async fn fixed(body: web::Data<Vec<u8>>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(body.to_vec())
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [
        _,
        port,
        db_port,
        user,
        password,
        database,
        post_file,
        list_file,
    ] = args.as_slice()
    else {
        anyhow::bail!("expected: port db-port user password database post-file list-file");
    };
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(db_port.parse()?)
        .user(user)
        .password(password)
        .dbname(database);
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let pool = Pool::builder(manager).max_size(16).build()?;
    let post_body = web::Data::new(std::fs::read(post_file)?);
    let list_body = web::Data::new(std::fs::read(list_file)?);
    HttpServer::new(move || {
        App::new()
            .app_data(web::ThinData(pool.clone()))
            .route("/bare/post/{slug}", web::get().to(bare_post))
            .service(
                web::scope("/memory/post")
                    .app_data(post_body.clone())
                    .route("", web::get().to(fixed)),
            )
            .service(
                web::scope("/memory/list")
                    .app_data(list_body.clone())
                    .route("", web::get().to(fixed)),
            )
    })
    .workers(2)
    .bind(("127.0.0.1", port.parse::<u16>()?))?
    .run()
    .await?;
    Ok(())
}
