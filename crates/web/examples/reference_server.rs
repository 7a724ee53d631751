//! What `./dev bench read` compares the service with: the least code that does the same.
//!
//! `/memory/post` and `/memory/list` send fixed bytes, headers and body; on another port they do so behind the service's own
//! middleware, where all that the service answers is as well. `/redis/post/{id}` sends what one GET of Redis gives, on both.
//! `/bare/post/{slug}` and `/bare/list` run the service's own statements on a bare deadpool pool and serialize the rows. Reads
//! from standard input, as JSON, where to listen, where the database is, the statements, and the fixed bytes.

use std::{sync::Arc, time::Instant};

use actix_web::{
    App, HttpResponse, HttpServer,
    body::BoxBody,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web::{self, ServiceConfig},
};
use bytes::Bytes;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use jiff::Timestamp;
use prepnexus_content::{CacheConfig, Content};
use prepnexus_domain::{AuthorRef, Clock, ContentFormat, Post, PostSummary, SystemClock, TagRef};
use prepnexus_health::Health;
use prepnexus_storage::{Cluster, ClusterConfig, NodeAddr, Secret};
use prepnexus_web::{AppState, Instruments, Listeners, Route, Server, Watchers, WebConfig};
use redis::{AsyncCommands as _, Client, aio::MultiplexedConnection};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use tokio_postgres::{NoTls, Row};

/// What the benchmark tells it.
#[derive(Deserialize)]
struct Setup {
    port: u16,
    /// For the same fixed bytes, behind the service's own middleware; and for all of the service's routes.
    service_port: u16,
    /// Whether there is a recorder for that service's metrics: without one, to count costs next to nothing.
    counts: bool,
    redis_port: u16,
    db_port: u16,
    user: String,
    password: String,
    database: String,
    post_sql: String,
    list_sql: String,
    post: Fixed,
    list: Fixed,
}

/// An answer that is always the same.
#[derive(Deserialize)]
struct Fixed {
    /// Names and values; none of those that the HTTP library adds by itself.
    #[serde(deserialize_with = "headers")]
    headers: Vec<(HeaderName, HeaderValue)>,
    #[serde(deserialize_with = "text")]
    body: Bytes,
}

impl Fixed {
    fn answer(&self) -> HttpResponse {
        let body = BoxBody::new(self.body.clone());
        let mut response = HttpResponse::new(StatusCode::OK).set_body(body);
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

fn headers<'de, D>(deserializer: D) -> Result<Vec<(HeaderName, HeaderValue)>, D::Error>
where
    D: Deserializer<'de>,
{
    let headers = Vec::<(String, String)>::deserialize(deserializer)?;
    let header = |(name, value): (String, String)| {
        let name = name.parse().map_err(D::Error::custom)?;
        Ok((name, value.parse().map_err(D::Error::custom)?))
    };
    headers.into_iter().map(header).collect()
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from)
}

struct Bare {
    pool: Pool,
    redis: MultiplexedConnection,
    setup: Setup,
}

async fn bare_post(bare: web::Data<Bare>, slug: web::Path<String>) -> HttpResponse {
    let client = bare.pool.get().await.expect("a connection");
    let statement = client
        .prepare_cached(&bare.setup.post_sql)
        .await
        .expect("the statement");
    let row = client
        .query_one(&statement, &[&*slug])
        .await
        .expect("a row");
    HttpResponse::Ok().json(post(&row))
}

async fn bare_list(bare: web::Data<Bare>) -> HttpResponse {
    let client = bare.pool.get().await.expect("a connection");
    let statement = client
        .prepare_cached(&bare.setup.list_sql)
        .await
        .expect("the statement");
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of its own, without an injected clock"
    )]
    let now = Timestamp::now();
    let rows = client
        .query(&statement, &[&now, &21_i64])
        .await
        .expect("rows");
    let data = rows.iter().take(20).map(summary).collect();
    HttpResponse::Ok().json(List {
        data,
        page: Page {
            limit: 20,
            next_cursor: None,
            prev_cursor: None,
        },
    })
}

#[derive(Serialize)]
struct List {
    data: Vec<PostSummary>,
    page: Page,
}

#[derive(Serialize)]
struct Page {
    limit: u16,
    next_cursor: Option<String>,
    prev_cursor: Option<String>,
}

fn post(row: &Row) -> Post {
    let shown = summary(row);
    Post {
        id: shown.id,
        slug: shown.slug,
        title: shown.title,
        excerpt: shown.excerpt,
        content: row.get("content"),
        content_format: shown.content_format,
        html: row.get("html"),
        status: shown.status,
        author: shown.author,
        tags: shown.tags,
        image_url: shown.image_url,
        meta_description: shown.meta_description,
        reading_time_minutes: shown.reading_time_minutes,
        view_count: shown.view_count,
        revision: shown.revision,
        created_at: shown.created_at,
        updated_at: shown.updated_at,
        published_at: shown.published_at,
    }
}

fn summary(row: &Row) -> PostSummary {
    let tags: Vec<String> = row.get("tags");
    let tags = tags.iter().filter_map(|pair| pair.split_once(' '));
    PostSummary {
        id: row.get("id"),
        slug: row.get("slug"),
        title: row.get("title"),
        excerpt: row.get("excerpt"),
        content_format: ContentFormat::from_name(row.get("content_format")).expect("a format"),
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

async fn memory_post(bare: web::Data<Bare>) -> HttpResponse {
    bare.setup.post.answer()
}

async fn memory_list(bare: web::Data<Bare>) -> HttpResponse {
    bare.setup.list.answer()
}

/// One GET on a connection that all share, and its value behind the headers of a post.
async fn redis_post(bare: web::Data<Bare>, id: web::Path<u32>) -> HttpResponse {
    let mut redis = bare.redis.clone();
    let body: Vec<u8> = redis.get(format!("bench:{id}")).await.expect("a value");
    let mut response = bare.setup.post.answer();
    response = response.set_body(BoxBody::new(body));
    response
}

/// The service with nothing kept, whose routes beside its own send fixed bytes.
fn service(bare: &web::Data<Bare>) -> anyhow::Result<Server> {
    let setup = &bare.setup;
    let cluster = Cluster::start(&ClusterConfig {
        nodes: vec![NodeAddr {
            host: "127.0.0.1".into(),
            port: setup.db_port,
        }],
        user: setup.user.clone(),
        password: Some(Secret::new(&setup.password)),
        database: setup.database.clone(),
        ..ClusterConfig::default()
    })?;
    let instruments = Instruments::default();
    if setup.counts {
        metrics::set_global_recorder(instruments.recorder)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = WebConfig {
        port: setup.service_port,
        ..WebConfig::default()
    };
    let state = AppState {
        content: Content::new(cluster, None, Arc::clone(&clock), CacheConfig::default()),
        health: Health::new(&clock, instruments.recent),
        prometheus: instruments.prometheus,
        version: "",
        started: Instant::now(),
        draining: Arc::default(),
        watchers: Watchers::default(),
        config: Arc::new(config),
    };
    let bare = bare.clone();
    let routes = move |services: &mut ServiceConfig| {
        services.app_data(bare.clone());
        let redis = web::resource("/redis/post/{id}").app_data(Route("/redis/post/{id}"));
        services.service(redis.route(web::get().to(redis_post)));
        for (path, list) in [("/memory/post/{slug}", false), ("/memory/list", true)] {
            let resource = web::resource(path).app_data(Route(path));
            services.service(if list {
                resource.route(web::get().to(memory_list))
            } else {
                resource.route(web::get().to(memory_post))
            });
        }
    };
    let listeners = Listeners::bind(&state.config)?;
    Ok(listeners.serve_with(&state, routes)?)
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let setup: Setup = serde_json::from_reader(std::io::stdin())?;
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(setup.db_port)
        .dbname(&setup.database);
    config.user(&setup.user).password(&setup.password);
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let pool = Pool::builder(manager).max_size(16).build()?;
    let address = ("127.0.0.1", setup.port);
    let redis = Client::open(("127.0.0.1", setup.redis_port))?;
    let redis = redis.get_multiplexed_async_connection().await?;
    let bare = web::Data::new(Bare { pool, redis, setup });
    let _service = service(&bare)?;
    HttpServer::new(move || {
        App::new()
            .app_data(bare.clone())
            .route("/bare/post/{slug}", web::get().to(bare_post))
            .route("/bare/list", web::get().to(bare_list))
            .route("/memory/post", web::get().to(memory_post))
            .route("/memory/list", web::get().to(memory_list))
            .route("/redis/post/{id}", web::get().to(redis_post))
    })
    .workers(2)
    .bind(address)?
    .run()
    .await?;
    Ok(())
}
