//! The service's own reads, run against a copy: each kind of list, posts by address and by number, search, tags, authors.

use std::sync::Arc;

use async_trait::async_trait;
use prepnexus_backup::Reads;
use prepnexus_domain::{
    clock::{Clock, SystemClock},
    page::{ListQuery, SortOrder},
};
use prepnexus_storage::{
    Cluster, ClusterConfig, Deadline, Error, Freshness, ReadConn, authors, keys, posts, schema,
    signing, tags,
};
use std::time::Duration;

/// Reads as the API does.
pub(crate) struct ServiceReads;

const LIMIT: Duration = Duration::from_secs(60);

#[async_trait]
impl Reads for ServiceReads {
    async fn run(&self, copy: &ClusterConfig) -> Result<u64, String> {
        let cluster = Cluster::start(copy).map_err(|error| error.chain())?;
        let outcome = all(&cluster).await;
        cluster.close().await;
        outcome
    }
}

async fn all(cluster: &Cluster) -> Result<u64, String> {
    let deadline = Deadline::after(LIMIT);
    let missing = schema::missing(cluster, deadline).await;
    let missing = missing.map_err(|error| error.chain())?;
    if !missing.is_empty() {
        return Err(format!("it has not the migrations {}", missing.join(", ")));
    }
    let read = |conn: Arc<ReadConn>| async move { each(&conn).await };
    let ran = cluster.read_with(Freshness::Primary, deadline, read).await;
    ran.map_err(|error| error.chain())
}

/// Runs them all; how many.
async fn each(conn: &ReadConn) -> Result<u64, Error> {
    let now = SystemClock.now();
    let mut ran = 0;
    let tags = tags::list(conn, now).await?;
    let authors = authors::list(conn, now).await?;
    ran += 2;
    let first = ListQuery {
        limit: 100,
        include_total: true,
        ..ListQuery::default()
    };
    let orders = SortOrder::ALL.map(|sort| ListQuery {
        sort,
        ..first.clone()
    });
    let filters = [
        ListQuery {
            tag: tags.first().map(|tag| tag.slug.to_string()),
            ..first.clone()
        },
        ListQuery {
            author: authors.first().map(|author| author.slug.to_string()),
            ..first.clone()
        },
        ListQuery {
            text: Some("the".into()),
            ..first.clone()
        },
    ];
    let mut found = None;
    for query in orders.iter().chain(&filters) {
        let page = posts::list(conn, query, now).await?;
        found = found.or_else(|| page.items.into_iter().next());
        ran += 1;
    }
    if let Some(post) = found {
        posts::find_by_id(conn, post.id).await?;
        posts::find_by_slug(conn, post.slug.as_str()).await?;
        posts::find_owner(conn, post.id).await?;
        posts::list_revisions(conn, post.id, i32::MAX, ListQuery::DEFAULT_LIMIT).await?;
        posts::find_revision(conn, post.id, post.revision).await?;
        ran += 5;
    }
    posts::next_listed(conn, now).await?;
    keys::list(conn).await?;
    signing::secret(conn).await?;
    Ok(ran + 3)
}
