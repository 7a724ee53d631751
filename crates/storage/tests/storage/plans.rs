//! The plans of the hot queries, for 20,000 posts: an index gives each page in its order, and
//! nothing reads a whole table. Both plans are looked at that the server may choose: the one made
//! for the parameters, and the generic one.

use prepnexus_domain::{Cursor, CursorKey, Direction, ListQuery, Page, PostSummary, SortOrder};
use prepnexus_storage::{Cluster, ClusterConfig, Freshness, ReadConn, posts};
use prepnexus_testkit::TestDb;

use crate::support::{cluster, now, patience};

const POSTS: &str = "
INSERT INTO authors (slug, name) SELECT 'author-' || n, 'Author ' || n FROM generate_series(1, 20) n;
INSERT INTO tags (slug, name) SELECT 'tag-' || n, 'Tag ' || n FROM generate_series(1, 50) n;
INSERT INTO posts (slug, title, excerpt, content, html, status, author_id, reading_time_minutes, published_at,
                   created_at, updated_at)
SELECT 'post-' || n, 'Title ' || md5(n::text), 'Excerpt', 'Content', '<p>Content</p>',
       CASE WHEN n % 10 = 0 THEN 'draft' ELSE 'published' END, 1 + n % 20, 1,
       '2026-02-28T00:00Z'::timestamptz - n * interval '7 minutes', '2026-01-01', '2026-01-01'
FROM generate_series(1, 20000) n;
INSERT INTO post_tags (post_id, tag_id, position, listed_at)
SELECT p.id, 1 + (p.id * 7 + k * 13) % 50, k, p.listed_at FROM posts p, generate_series(0, 2) k;
UPDATE post_views SET view_count = post_id * 7919 % 1000;
ANALYZE";

/// The one statement about posts that was prepared on the connection, as `PREPARE` takes it.
async fn prepared(conn: &ReadConn) -> (String, String) {
    const SQL: &str = "-- prepared
SELECT statement, array_to_string(parameter_types, ', ') AS types FROM pg_prepared_statements
WHERE statement LIKE '-- posts.%'";
    let row = conn.query_one(SQL, &[]).await.unwrap();
    (row.get("statement").unwrap(), row.get("types").unwrap())
}

/// A database of many posts, and new connections to it.
struct Posts {
    db: TestDb,
    cluster: Cluster,
    used: Vec<ReadConn>,
}

impl Posts {
    /// A connection on which nothing was prepared yet.
    async fn conn(&mut self) -> &ReadConn {
        let conn = self.cluster.read(Freshness::Any, patience()).await.unwrap();
        self.used.push(conn);
        self.used.last().unwrap()
    }

    async fn list(&mut self, query: &ListQuery) -> Page<PostSummary> {
        posts::list(self.conn().await, query, now()).await.unwrap()
    }

    /// Checks both plans of the statement that ran last.
    async fn check(&self, what: &str, params: &[String]) {
        let (statement, types) = prepared(self.used.last().unwrap()).await;
        check(&self.db, &statement, &types, what, params).await;
    }
}

/// PostgreSQL's own, with which it likes to read whole tables: not all servers are set to what ours are.
const DEFAULT_PAGE_COST: u8 = 4;

async fn check(db: &TestDb, statement: &str, types: &str, what: &str, params: &[String]) {
    let params = params.join(", ");
    for mode in ["force_generic_plan", "force_custom_plan"] {
        let explain = format!(
            "SET plan_cache_mode = {mode};
             SET random_page_cost = {DEFAULT_PAGE_COST};
             PREPARE q ({types}) AS {statement};
             EXPLAIN (COSTS OFF) EXECUTE q ({params})"
        );
        let plan = db.psql(&explain).await;
        if let Some(fault) = fault_of(&plan) {
            panic!("{what}, {mode}: {fault}\n{statement}\n{plan}");
        }
    }
}

/// What is wrong with a plan.
fn fault_of(plan: &str) -> Option<String> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut limited = None;
    for line in plan.lines() {
        if limited.is_some_and(|limit| depth(line) <= limit) {
            limited = None;
        }
        let scans = ["posts", "post_tags", "post_views", "post_slugs"];
        if scans
            .iter()
            .any(|table| line.contains(&format!("Seq Scan on {table}")))
        {
            return Some(format!("a whole table is read: {}", line.trim()));
        }
        let node = line.trim_start().trim_start_matches("->").trim_start();
        if limited.is_some() && (node.starts_with("Sort") || node.starts_with("Incremental Sort")) {
            return Some("more than a page is sorted".into());
        }
        if node.starts_with("Limit") && limited.is_none() {
            limited = Some(depth(line));
        }
    }
    (!plan.contains("Index")).then(|| "no index is used".into())
}

/// `value` as SQL takes it.
fn quoted(value: &impl ToString) -> String {
    format!("'{}'", value.to_string().replace('\'', "''"))
}

/// A place in the middle of the list.
fn middle(sort: SortOrder, direction: Direction) -> Cursor {
    let key = match sort {
        SortOrder::Newest | SortOrder::Oldest => {
            CursorKey::Time("2026-01-10T00:00:00Z".parse().unwrap())
        }
        SortOrder::MostViewed => CursorKey::Count(500),
        SortOrder::Title => CursorKey::Text("title 7f".into()),
    };
    let id = 10_000;
    Cursor { direction, key, id }
}

/// Checks the first page, and pages deep in the list, both ways.
async fn check_list(many: &mut Posts, query: ListQuery) {
    let what = format!(
        "{:?} tag {:?} author {:?}",
        query.sort, query.tag, query.author
    );
    let mut params = vec![quoted(&now()), (query.limit + 1).to_string()];
    params.extend(
        [&query.tag, &query.author]
            .into_iter()
            .flatten()
            .map(quoted),
    );
    many.list(&query).await;
    many.check(&format!("{what}, first page"), &params).await;
    for direction in [Direction::Forward, Direction::Backward] {
        let cursor = middle(query.sort, direction);
        let key = match &cursor.key {
            CursorKey::Time(time) => quoted(time),
            CursorKey::Count(count) => count.to_string(),
            CursorKey::Text(text) => quoted(text),
        };
        let params: Vec<String> = params
            .iter()
            .cloned()
            .chain([key, cursor.id.to_string()])
            .collect();
        let there = ListQuery {
            cursor: Some(cursor),
            ..query.clone()
        };
        let page = many.list(&there).await;
        assert_eq!(page.items.len(), usize::from(query.limit), "{what}");
        many.check(&format!("{what}, {direction:?}"), &params).await;
    }
}

#[tokio::test]
async fn hot_queries_read_their_page_from_an_index() {
    let db = TestDb::new().await;
    db.psql(POSTS).await;
    let config = ClusterConfig {
        pool_size: 32,
        ..db.config()
    };
    let (cluster, used) = (cluster(config).await, Vec::new());
    let mut many = Posts { db, cluster, used };
    for sort in SortOrder::ALL {
        let query = ListQuery {
            sort,
            ..ListQuery::default()
        };
        check_list(&mut many, query).await;
    }
    for sort in [SortOrder::Newest, SortOrder::Oldest] {
        for (tag, author) in [(Some("tag-3"), None), (None, Some("author-3"))] {
            let query = ListQuery {
                sort,
                tag: tag.map(Into::into),
                author: author.map(Into::into),
                ..ListQuery::default()
            };
            check_list(&mut many, query).await;
        }
    }
    let found = posts::find_by_slug(many.conn().await, "post-777").await;
    many.check("by slug", &[quoted(&"post-777")]).await;
    let id = found.unwrap().unwrap().post.id;
    posts::find_by_id(many.conn().await, id).await.unwrap();
    many.check("by id", &[id.to_string()]).await;
}

#[test]
fn a_bad_plan_is_recognised() {
    let sorted = "Nested Loop\n  ->  Limit\n        ->  Sort\n              ->  Index Scan using a on posts p\n";
    assert!(fault_of(sorted).unwrap().contains("sorted"));
    let scanned = "Limit\n  ->  Seq Scan on post_tags ft\n";
    assert!(fault_of(scanned).unwrap().contains("whole table"));
    let page_sorted = "Sort\n  Sort Key: a\n  ->  Limit\n        ->  Index Scan using a on posts p\n  SubPlan 1\n    ->  Sort\n";
    assert_eq!(fault_of(page_sorted), None);
}
