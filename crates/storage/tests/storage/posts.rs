//! One post: stored, found by each of its addresses, changed, deleted.

use prepnexus_domain::{ContentFormat, Slug, Status, TagRef};
use prepnexus_storage::{
    Cluster, Error, Freshness, Tx,
    posts::{self, PostRecord, StoredPost},
    tags,
};

use prepnexus_testkit::wait_until;

use crate::support::{SOON, database, minutes_ago, now, patience};

/// A published post of that address, by an author who is made if need be.
pub(crate) async fn record(tx: &Tx, slug: &str) -> Result<PostRecord, Error> {
    Ok(PostRecord {
        slug: slug.to_owned(),
        title: format!("Title of {slug}"),
        excerpt: "An excerpt".into(),
        content: "Some *content*".into(),
        content_format: ContentFormat::Markdown,
        html: "<p>Some <em>content</em></p>".into(),
        status: Status::Published,
        author_id: prepnexus_storage::authors::find_or_insert(tx, "Ann", None, false)
            .await?
            .id,
        image_url: None,
        meta_description: None,
        reading_time_minutes: 1,
        published_at: Some(minutes_ago(60)),
    })
}

/// Inserts a published post.
pub(crate) async fn insert(cluster: &Cluster, slug: &str) -> Result<i64, Error> {
    let write = cluster.write("posts.insert", patience(), |tx| async move {
        posts::insert(&tx, &record(&tx, slug).await?, None, now()).await
    });
    write.await.map(|committed| committed.value)
}

async fn find(cluster: &Cluster, slug: &str) -> Option<StoredPost> {
    let conn = cluster.read(Freshness::Primary, patience()).await.unwrap();
    let found = posts::find_by_slug(&conn, slug).await.unwrap();
    if let Some(found) = &found {
        let by_id = posts::find_by_id(&conn, found.post.id).await.unwrap();
        assert_eq!(by_id.as_ref(), Some(found));
    }
    found
}

/// Gives a post another address.
async fn rename(cluster: &Cluster, id: i64, slug: &str) -> Result<(), Error> {
    let write = cluster.write("posts.rename", patience(), |tx| async move {
        let before = posts::find_for_update(&tx, id).await?.unwrap();
        assert_eq!(before.post.id, id);
        posts::update(&tx, id, &record(&tx, slug).await?, now()).await
    });
    write.await.map(drop)
}

#[tokio::test]
async fn a_post_comes_back_as_it_was_stored() {
    let (db, cluster) = database().await;
    db.psql("INSERT INTO api_keys (id, name, role, hash) VALUES (7, 'k', 'author', sha256('k'))")
        .await;
    let write = cluster.write("posts.insert", patience(), |tx| async move {
        let post = PostRecord {
            content_format: ContentFormat::Html,
            image_url: Some("https://example.com/a.png".into()),
            meta_description: Some("meta".into()),
            reading_time_minutes: 3,
            ..record(&tx, "a-post").await?
        };
        let id = posts::insert(&tx, &post, Some(7), now()).await?;
        let tags = tags::find_or_insert(&tx, &["Zeta".into(), "A long tag".into()]).await?;
        // Named twice: its first place counts.
        posts::set_tags(&tx, id, &[tags[0], tags[1], tags[0]]).await?;
        Ok::<_, Error>((id, post))
    });
    let (id, stored) = write.await.unwrap().value;
    let found = find(&cluster, "a-post").await.unwrap();
    assert!(found.is_visible_at(now()) && !found.is_visible_at(minutes_ago(61)));
    assert_eq!(found.created_by, Some(7));
    let post = found.post;
    assert_eq!(
        (post.id, post.slug, post.title),
        (id, stored.slug, stored.title)
    );
    assert_eq!((post.content, post.html), (stored.content, stored.html));
    assert_eq!(post.content_format, ContentFormat::Html);
    assert_eq!(
        (post.status, post.published_at),
        (Status::Published, stored.published_at)
    );
    assert_eq!(
        (post.image_url, post.meta_description),
        (stored.image_url, stored.meta_description)
    );
    assert_eq!(
        (post.reading_time_minutes, post.view_count, post.revision),
        (3, 0, 1)
    );
    assert_eq!((post.created_at, post.updated_at), (now(), now()));
    assert_eq!(
        (post.author.id, post.author.name.as_str()),
        (stored.author_id, "Ann")
    );
    let tag = |slug: &str, name: &str| TagRef {
        slug: slug.into(),
        name: name.into(),
    };
    assert_eq!(
        post.tags,
        [tag("zeta", "Zeta"), tag("a-long-tag", "A long tag")]
    );
}

#[tokio::test]
async fn a_post_is_found_by_its_former_address_too() {
    let (_db, cluster) = database().await;
    let id = insert(&cluster, "old").await.unwrap();
    rename(&cluster, id, "new").await.unwrap();
    for slug in ["old", "new"] {
        let post = find(&cluster, slug).await.unwrap().post;
        assert_eq!((post.id, post.slug.as_str(), post.revision), (id, "new", 2));
    }
    assert!(find(&cluster, "neither").await.is_none());
    // It may have it again.
    rename(&cluster, id, "old").await.unwrap();
    assert_eq!(find(&cluster, "new").await.unwrap().post.slug, "old");
}

#[tokio::test]
async fn an_address_that_another_post_has_or_had_is_a_violation_with_a_name() {
    let (_db, cluster) = database().await;
    let id = insert(&cluster, "old").await.unwrap();
    rename(&cluster, id, "new").await.unwrap();
    let other = insert(&cluster, "other").await.unwrap();
    for slug in ["old", "new"] {
        let error = insert(&cluster, slug).await.unwrap_err();
        assert_eq!(error.violated_unique(), Some(posts::SLUG_CONSTRAINT));
        let error = rename(&cluster, other, slug).await.unwrap_err();
        assert_eq!(error.violated_unique(), Some(posts::SLUG_CONSTRAINT));
    }
}

#[tokio::test]
async fn free_slug_counts_on_from_what_others_have() {
    let (_db, cluster) = database().await;
    let base = Slug::parse("a").unwrap();
    let free = async |post_id: Option<i64>| {
        let base = &base;
        let write = cluster.write("free", patience(), |tx| async move {
            posts::free_slug(&tx, base, post_id).await
        });
        write.await.unwrap().value.into_string()
    };
    assert_eq!(free(None).await, "a");
    let id = insert(&cluster, "a").await.unwrap();
    insert(&cluster, "a-3").await.unwrap();
    assert_eq!(free(None).await, "a-2");
    assert_eq!(free(Some(id)).await, "a");
    insert(&cluster, "a-2").await.unwrap();
    assert_eq!(free(None).await, "a-4");
    // Past what is looked at in one query.
    for number in 4..=40 {
        insert(&cluster, &format!("a-{number}")).await.unwrap();
    }
    assert_eq!(free(None).await, "a-41");
}

#[tokio::test]
async fn an_edit_counts_the_revision_and_never_goes_back_in_time() {
    let (db, cluster) = database().await;
    let id = insert(&cluster, "a").await.unwrap();
    let write = cluster.write("posts.update", patience(), |tx| async move {
        let post = PostRecord {
            title: "Another".into(),
            status: Status::Draft,
            published_at: None,
            ..record(&tx, "a").await?
        };
        posts::update(&tx, id, &post, minutes_ago(5)).await
    });
    write.await.unwrap();
    let post = find(&cluster, "a").await.unwrap();
    assert!(!post.is_visible_at(now()));
    assert_eq!((post.post.revision, post.post.updated_at), (2, now()));
    assert_eq!(
        (post.post.title.as_str(), post.post.published_at),
        ("Another", None)
    );
    let history = db
        .psql("SELECT revision, title, deleted FROM post_revisions")
        .await;
    assert_eq!(history, "1|Title of a|f");
}

#[tokio::test]
async fn a_deleted_post_is_gone_with_its_addresses_and_kept_in_the_history() {
    let (db, cluster) = database().await;
    let id = insert(&cluster, "a").await.unwrap();
    let write = cluster.write("posts.delete", patience(), |tx| async move {
        let tags = tags::find_or_insert(&tx, &["Tag".into()]).await?;
        posts::set_tags(&tx, id, &tags).await?;
        posts::delete(&tx, id).await
    });
    write.await.unwrap();
    assert!(find(&cluster, "a").await.is_none());
    let history = db
        .psql("SELECT post_id, tags, deleted FROM post_revisions")
        .await;
    assert_eq!(history, format!("{id}|{{Tag}}|t"));
    insert(&cluster, "a").await.unwrap();
}

/// One statement alone would wait for the lock and then join the new post with the author and tags
/// it saw before: with another author it would find nothing.
#[tokio::test]
async fn who_waited_for_a_post_sees_the_author_and_tags_it_has_now() {
    let (db, cluster) = database().await;
    let id = insert(&cluster, "contended").await.unwrap();
    let (db, cluster) = (&db, &cluster);
    let first = cluster.write("first", patience(), |tx| async move {
        posts::find_for_update(&tx, id).await?.unwrap();
        let waiting = cluster.clone();
        let second = tokio::spawn(async move {
            let find = |tx: Tx| async move { posts::find_for_update(&tx, id).await };
            waiting.write("second", patience(), find).await
        });
        const WAITS: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waits = async || db.psql(WAITS).await == "1";
        wait_until("a wait for the lock", SOON, waits).await;
        let bob = prepnexus_storage::authors::find_or_insert(&tx, "Bob", None, false)
            .await?
            .id;
        let changed = PostRecord {
            author_id: bob,
            ..record(&tx, "contended").await?
        };
        posts::update(&tx, id, &changed, now()).await?;
        let tags = tags::find_or_insert(&tx, &["New".into()]).await?;
        posts::set_tags(&tx, id, &tags).await?;
        Ok::<_, Error>(second)
    });
    let second = first.await.unwrap().value.await.unwrap();
    let seen = second.unwrap().value.unwrap().post;
    assert_eq!((seen.author.name.as_str(), seen.revision), ("Bob", 2));
    assert_eq!(seen.tags[0].name, "New");
}
