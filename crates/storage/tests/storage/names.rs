//! Tags and authors: one for each name, whatever its case, also when many make it at once.

use futures_util::future::join_all;
use prepnexus_storage::{Cluster, Error, Freshness, authors, posts, tags};

use crate::support::{database, minutes_ago, now, patience};

async fn tag_ids(cluster: &Cluster, names: &[&str]) -> Vec<i64> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let names = &names;
    let write = cluster.write("tags", patience(), |tx| async move {
        tags::find_or_insert(&tx, names).await
    });
    write.await.unwrap().value
}

async fn author_id(cluster: &Cluster, name: &str, avatar_url: Option<&str>) -> i64 {
    let write = cluster.write("authors", patience(), |tx| async move {
        authors::find_or_insert(&tx, name, avatar_url, true).await
    });
    write.await.unwrap().value.id
}

#[tokio::test]
async fn a_tag_is_its_name_without_case() {
    let (db, cluster) = database().await;
    let first = tag_ids(&cluster, &["Rust", "Süß"]).await;
    assert_eq!(
        tag_ids(&cluster, &["SÜß", "rUST", "Rust"]).await,
        [first[1], first[0], first[0]]
    );
    let names = db.psql("SELECT slug, name FROM tags ORDER BY slug").await;
    assert_eq!(names, "rust|Rust\nsuss|Süß");
    assert!(tag_ids(&cluster, &[]).await.is_empty());
}

#[tokio::test]
async fn tags_of_one_slug_are_numbered() {
    let (db, cluster) = database().await;
    let ids = tag_ids(&cluster, &["C", "C++", "c", "C!", "c?"]).await;
    assert_eq!(ids[0], ids[2]);
    let slugs = db.psql("SELECT name, slug FROM tags ORDER BY slug").await;
    assert_eq!(slugs, "C|c\nC!|c-2\nc?|c-3\nC++|c-plus-plus");
    assert_eq!(tag_ids(&cluster, &["c++", "c!"]).await, [ids[1], ids[3]]);
}

#[tokio::test]
async fn the_same_new_tags_made_by_many_at_once_are_made_once() {
    let (db, cluster) = database().await;
    let names = ["delta", "Alpha", "beta", "Gamma", "a!", "A?"];
    let tasks = (0..8).map(|n| {
        let cluster = cluster.clone();
        let mut names = names.map(|name| {
            if n % 2 == 0 {
                name.to_uppercase()
            } else {
                name.to_lowercase()
            }
        });
        names.rotate_left(n % 6);
        tokio::spawn(async move {
            let names = &names[..];
            // Outside of Cluster::write's retries: none is needed.
            let attempts = std::sync::atomic::AtomicU32::new(0);
            let write = cluster.write("tags", patience(), |tx| {
                attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                async move { tags::find_or_insert(&tx, names).await }
            });
            let mut ids = write.await.unwrap().value;
            assert_eq!(attempts.into_inner(), 1);
            ids.sort_unstable();
            ids
        })
    });
    let ids: Vec<Vec<i64>> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(ids.iter().all(|some| *some == ids[0]));
    assert_eq!(db.psql("SELECT count(*) FROM tags").await, "6");
}

#[tokio::test]
async fn an_author_is_a_name_without_case_and_keeps_a_picture() {
    let (db, cluster) = database().await;
    let id = author_id(&cluster, "Ann Ü", Some("https://a/1")).await;
    assert_eq!(author_id(&cluster, "ANN Ü", None).await, id);
    let picture = "SELECT slug, avatar_url FROM authors";
    assert_eq!(db.psql(picture).await, "ann-u|https://a/1");
    assert_eq!(author_id(&cluster, "ann ü", Some("https://a/2")).await, id);
    assert_eq!(db.psql(picture).await, "ann-u|https://a/2");
    assert_ne!(author_id(&cluster, "Ann U", None).await, id);
    let slugs = db.psql("SELECT slug FROM authors ORDER BY id").await;
    assert_eq!(slugs, "ann-u\nann-u-2");
}

#[tokio::test]
async fn the_same_new_author_made_by_many_at_once_is_made_once() {
    let (db, cluster) = database().await;
    let making = (0..8).map(|_| author_id(&cluster, "Bob", None));
    let ids = join_all(making).await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(db.psql("SELECT count(*) FROM authors").await, "1");
}

#[tokio::test]
async fn tags_and_authors_are_listed_with_the_posts_readers_can_find() {
    let (_db, cluster) = database().await;
    let write = cluster.write("posts", patience(), |tx| async move {
        let names = ["One".into(), "Two".into(), "Unused".into()];
        let tag = tags::find_or_insert(&tx, &names).await?;
        for (slug, author, published_at, tags) in [
            ("a", "Zoe", minutes_ago(1), &tag[..2]),
            ("b", "Zoe", minutes_ago(2), &tag[1..2]),
            ("c", "adam", minutes_ago(3), &[]),
            ("d", "Later", minutes_ago(-1), &tag[..]),
        ] {
            let record = posts::PostRecord {
                published_at: Some(published_at),
                author_id: authors::find_or_insert(&tx, author, None, false).await?.id,
                ..crate::posts::record(&tx, slug).await?
            };
            let id = posts::insert(&tx, &record, None, now()).await?;
            posts::set_tags(&tx, id, tags).await?;
        }
        Ok::<_, Error>(())
    });
    write.await.unwrap();
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let listed = tags::list(&conn, now()).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|tag| (&*tag.slug, tag.post_count))
        .collect();
    assert_eq!(listed, [("two", 2), ("one", 1)]);
    let listed = authors::list(&conn, now()).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|author| (&*author.name, author.post_count))
        .collect();
    assert_eq!(listed, [("adam", 1), ("Zoe", 2)]);
}
