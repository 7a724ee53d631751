//! Made-up posts in a database.

use prepnexus_migrate::{GenerateOptions, LoadReport, Progress, generated_post};
use prepnexus_testkit::TestDb;

use crate::migrator;

#[tokio::test]
async fn a_larger_count_goes_on_from_a_smaller_one() {
    let db = TestDb::new().await;
    let migrator = migrator(&db);
    let mut told = Vec::new();
    let report = migrator
        .generate(GenerateOptions::new(300), &mut |p| told.push(p))
        .await
        .unwrap();
    assert_eq!(
        report,
        LoadReport {
            inserted: 300,
            unchanged: 0
        }
    );
    assert_eq!(told, [Progress::Loaded { posts: 300 }]);
    // As after a run that was killed in the middle.
    db.psql("DELETE FROM posts WHERE id % 3 = 0").await;
    let report = migrator
        .generate(GenerateOptions::new(500), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(
        report,
        LoadReport {
            inserted: 300,
            unchanged: 200
        }
    );
    let sql = "SELECT count(*), count(DISTINCT slug), count(DISTINCT created_at), min(status), max(status),
                      bool_and(slug LIKE 'generated-%') FROM posts";
    assert_eq!(db.psql(sql).await, "500|500|500|archived|published|t");
    let again = migrator
        .generate(GenerateOptions::new(500), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(again.inserted, 0);
}

#[tokio::test]
async fn what_is_stored_is_what_was_made_up() {
    let db = TestDb::new().await;
    migrator(&db)
        .generate(GenerateOptions::new(20), &mut |_| {})
        .await
        .unwrap();
    let post = generated_post(13, 1);
    let sql = "SELECT p.title, a.name, p.published_at = to_timestamp(0) + interval '1 us' * PUBLISHED,
                      ARRAY(SELECT t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
                            WHERE pt.post_id = p.id ORDER BY position) = TAGS,
                      encode(sha256(convert_to(p.html, 'UTF8')), 'hex') = encode(sha256(convert_to($x$HTML$x$, 'UTF8')), 'hex')
               FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.slug = 'generated-13'";
    let published = post.published_at.unwrap().as_microsecond().to_string();
    let tags: Vec<String> = post.tags.iter().map(|tag| format!("'{tag}'")).collect();
    let sql = sql
        .replace("PUBLISHED", &published)
        .replace("TAGS", &format!("ARRAY[{}]", tags.join(",")))
        .replace("HTML", &post.html);
    assert_eq!(
        db.psql(&sql).await,
        format!("{}|{}|t|t|t", post.title, post.author)
    );
}
