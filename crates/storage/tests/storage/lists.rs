//! Lists: every order, filter and direction gives exactly the posts it should.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use prepnexus_domain::{Cursor, ListQuery, PostSummary, SortOrder, Status};
use prepnexus_storage::{Cluster, Error, Freshness, ReadConn, authors, posts, tags};
use prepnexus_testkit::TestDb;

use crate::support::{database, minutes_ago, now, patience};

/// What decides whether and where a post is in a list.
#[derive(Debug, Clone)]
struct Known {
    id: i64,
    title: String,
    published_at: Option<Timestamp>,
    status: Status,
    views: i64,
    tags: Vec<&'static str>,
    author: &'static str,
}

impl Known {
    fn is_listed(&self, query: &ListQuery, now: Timestamp) -> bool {
        let is_public = matches!(self.status, Status::Published | Status::Scheduled);
        is_public
            && self.published_at.is_some_and(|time| time <= now)
            && query
                .tag
                .as_deref()
                .is_none_or(|tag| self.tags.contains(&tag))
            && query
                .author
                .as_deref()
                .is_none_or(|author| author == self.author)
            && query
                .text
                .as_deref()
                .is_none_or(|text| self.title.contains(text))
    }
}

/// Forty posts, so that every order has ties and every status is there.
fn known() -> Vec<Known> {
    (0..40_i64)
        .map(|n| {
            let (status, published_at) = match n % 10 {
                3 => (Status::Draft, None),
                5 => (Status::Archived, Some(minutes_ago(90))),
                7 => (Status::Scheduled, Some(minutes_ago(-60))),
                // Its time has come.
                8 => (Status::Scheduled, Some(minutes_ago(n % 4))),
                _ => (Status::Published, Some(minutes_ago(n % 4))),
            };
            let fruit = if n % 3 == 0 { "apple" } else { "Pear" };
            Known {
                id: 0,
                title: format!("{fruit} {}", n % 5),
                published_at,
                status,
                views: n * 7 % 4,
                tags: [("even", n % 2 == 0), ("third", n % 3 == 0)]
                    .into_iter()
                    .filter_map(|(tag, has)| has.then_some(tag))
                    .collect(),
                author: if n % 4 < 2 { "ann" } else { "bob" },
            }
        })
        .collect()
}

async fn store(db: &TestDb, cluster: &Cluster) -> Vec<Known> {
    let known = known();
    let write = cluster.write("posts", patience(), |tx| {
        let mut known = known.clone();
        async move {
            for (n, post) in known.iter_mut().enumerate() {
                let record = posts::PostRecord {
                    title: post.title.clone(),
                    status: post.status,
                    published_at: post.published_at,
                    author_id: authors::find_or_insert(&tx, post.author, None, false)
                        .await?
                        .id,
                    ..crate::posts::record(&tx, &format!("post-{n}")).await?
                };
                post.id = posts::insert(&tx, &record, None, now()).await?;
                let names: Vec<String> = post.tags.iter().map(ToString::to_string).collect();
                let ids = tags::find_or_insert(&tx, &names).await?;
                posts::set_tags(&tx, post.id, &ids).await?;
            }
            Ok::<_, Error>(known)
        }
    });
    let stored = write.await.unwrap().value;
    let views = stored
        .iter()
        .map(|post| format!("({}, {})", post.id, post.views));
    let values = views.collect::<Vec<_>>().join(",");
    db.psql(&format!(
        "UPDATE post_views v SET view_count = n FROM (VALUES {values}) AS new (id, n) WHERE post_id = id"
    ))
    .await;
    stored
}

fn expected(known: &[Known], query: &ListQuery, now: Timestamp) -> Vec<i64> {
    let mut listed: Vec<&Known> = known
        .iter()
        .filter(|post| post.is_listed(query, now))
        .collect();
    match query.sort {
        SortOrder::Newest => listed.sort_by_key(|post| Reverse((post.published_at, post.id))),
        SortOrder::Oldest => listed.sort_by_key(|post| (post.published_at, post.id)),
        SortOrder::MostViewed => listed.sort_by_key(|post| Reverse((post.views, post.id))),
        SortOrder::Title => listed.sort_by_key(|post| (post.title.to_lowercase(), post.id)),
    }
    listed.iter().map(|post| post.id).collect()
}

fn ids(items: &[PostSummary]) -> Vec<i64> {
    items.iter().map(|post| post.id).collect()
}

fn at(query: &ListQuery, cursor: Option<Cursor>) -> ListQuery {
    ListQuery {
        cursor,
        ..query.clone()
    }
}

/// Walks to the end and back; the pages of each way, in the order of the list.
async fn walk(conn: &ReadConn, query: &ListQuery) -> (Vec<Vec<i64>>, Vec<Vec<i64>>) {
    let mut page = posts::list(conn, query, now()).await.unwrap();
    assert!(page.prev.is_none());
    let mut forward = vec![ids(&page.items)];
    while let Some(next) = page.next {
        page = posts::list(conn, &at(query, Some(next)), now())
            .await
            .unwrap();
        forward.push(ids(&page.items));
    }
    let mut backward = vec![ids(&page.items)];
    while let Some(prev) = page.prev {
        page = posts::list(conn, &at(query, Some(prev)), now())
            .await
            .unwrap();
        backward.insert(0, ids(&page.items));
    }
    (forward, backward)
}

#[tokio::test]
async fn every_list_can_be_walked_to_its_end_and_back() {
    let (db, cluster) = database().await;
    let known = store(&db, &cluster).await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let either = |value: &str| [None, Some(value.to_owned())];
    for sort in SortOrder::ALL {
        for (tag, author, text) in either("even").into_iter().flat_map(|tag| {
            let authors = either("bob").into_iter();
            authors.flat_map(move |author| {
                let tag = tag.clone();
                either("Pear").map(move |text| (tag.clone(), author.clone(), text))
            })
        }) {
            let query = ListQuery {
                limit: 3,
                sort,
                tag,
                author,
                text,
                include_total: true,
                ..ListQuery::default()
            };
            let expected = expected(&known, &query, now());
            assert!(expected.len() > 3, "{query:?}");
            let (forward, backward) = walk(&conn, &query).await;
            assert_eq!(forward.concat(), expected, "{query:?}");
            assert!(forward.iter().rev().skip(1).all(|page| page.len() == 3));
            assert_eq!(backward, forward, "{query:?}");
            let total = posts::list(&conn, &query, now()).await.unwrap().total;
            assert_eq!(total, i64::try_from(expected.len()).ok(), "{query:?}");
        }
    }
}

#[tokio::test]
async fn a_page_that_holds_all_has_no_neighbours_and_shows_what_readers_see() {
    let (db, cluster) = database().await;
    let known = store(&db, &cluster).await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let query = ListQuery {
        limit: 100,
        sort: SortOrder::MostViewed,
        ..ListQuery::default()
    };
    let page = posts::list(&conn, &query, now()).await.unwrap();
    assert_eq!((page.next, page.prev, page.total), (None, None, None));
    assert_eq!(ids(&page.items), expected(&known, &query, now()));
    for item in &page.items {
        let post = known.iter().find(|post| post.id == item.id).unwrap();
        assert_eq!((&item.title, item.view_count), (&post.title, post.views));
        assert_eq!(
            (item.status, item.published_at),
            (Status::Published, post.published_at)
        );
        assert_eq!(item.author.slug, post.author);
        let tags: Vec<&str> = item.tags.iter().map(|tag| tag.slug.as_str()).collect();
        assert_eq!(tags, post.tags);
    }
}

#[tokio::test]
async fn a_scheduled_post_appears_when_its_time_has_come() {
    let (db, cluster) = database().await;
    let known = store(&db, &cluster).await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let due = minutes_ago(-60);
    let before = due - SignedDuration::from_micros(1);
    for tag in [None, Some("third".to_owned())] {
        let query = ListQuery {
            limit: 100,
            tag,
            ..ListQuery::default()
        };
        let [early, on_time] =
            [before, due].map(|moment| (moment, expected(&known, &query, moment)));
        assert!(early.1.len() < on_time.1.len());
        for (moment, expected) in [early, on_time] {
            let page = posts::list(&conn, &query, moment).await.unwrap();
            assert_eq!(ids(&page.items), expected);
            let count = posts::count(&conn, &query, moment).await.unwrap();
            assert_eq!(count, i64::try_from(expected.len()).unwrap());
        }
    }
}

#[tokio::test]
async fn what_nobody_has_is_an_empty_page() {
    let (db, cluster) = database().await;
    store(&db, &cluster).await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let empty = |tag: Option<&str>, author: Option<&str>, text: Option<&str>| ListQuery {
        tag: tag.map(Into::into),
        author: author.map(Into::into),
        text: text.map(Into::into),
        include_total: true,
        ..ListQuery::default()
    };
    for query in [
        empty(Some("nothing"), None, None),
        empty(None, Some("nobody"), None),
        empty(None, None, Some("\"no such\" or '")),
    ] {
        let page = posts::list(&conn, &query, now()).await.unwrap();
        assert!(page.items.is_empty() && page.next.is_none() && page.prev.is_none());
        assert_eq!(page.total, Some(0));
    }
}
