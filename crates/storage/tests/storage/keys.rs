//! API keys, the signing secret, and the change feed's writing side.

use prepnexus_domain::Role;
use prepnexus_storage::{Error, Freshness, keys, record_change, signing};

use crate::support::{database, patience};

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_it_is_revoked() {
    let (_db, cluster) = database().await;
    let mut made = Vec::new();
    for (byte, role) in (0_u8..).zip(Role::ALL) {
        let write = cluster.write("keys.insert", patience(), |tx| async move {
            keys::insert(&tx, "a key", role, &[byte; 32]).await
        });
        made.push(write.await.unwrap().value);
    }
    let conn = cluster.read(Freshness::Primary, patience()).await.unwrap();
    assert_eq!(keys::list(&conn).await.unwrap(), made);
    for (byte, key) in (0_u8..).zip(&made) {
        let found = keys::find_by_hash(&conn, &[byte; 32]).await.unwrap();
        assert_eq!(found.as_ref(), Some(key));
    }
    assert_eq!(keys::find_by_hash(&conn, &[99; 32]).await.unwrap(), None);

    let id = made[0].id;
    for revoked in [true, false] {
        let write = cluster.write("keys.revoke", patience(), |tx| async move {
            keys::revoke(&tx, id).await
        });
        assert_eq!(write.await.unwrap().value, revoked);
    }
    assert_eq!(keys::find_by_hash(&conn, &[0; 32]).await.unwrap(), None);
    let listed = keys::list(&conn).await.unwrap();
    assert!(listed[0].revoked_at.is_some() && listed[1].revoked_at.is_none());
}

#[tokio::test]
async fn a_key_can_be_made_once() {
    let (_db, cluster) = database().await;
    let insert = async || {
        let write = cluster.write("keys.insert", patience(), |tx| async move {
            keys::insert(&tx, "a key", Role::Author, &[7; 32]).await
        });
        write.await
    };
    insert().await.unwrap();
    let error = insert().await.unwrap_err();
    assert_eq!(error.violated_unique(), Some("api_keys_hash_key"));
}

#[tokio::test]
async fn the_signing_secret_is_the_same_for_all_and_not_printed() {
    let (_db, cluster) = database().await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let secret = signing::secret(&conn).await.unwrap();
    assert_eq!(secret.expose().len(), 32);
    assert_eq!(format!("{secret:?}"), "***");
    let again = signing::secret(&conn).await.unwrap();
    assert_eq!(again.expose(), secret.expose());
}

#[tokio::test]
async fn a_change_is_recorded_under_the_transaction_that_made_it() {
    let (db, cluster) = database().await;
    let write = cluster.write("change", patience(), |tx| async move {
        record_change(&tx, &["post:1".into(), "posts".into()]).await?;
        record_change(&tx, &[]).await?;
        const XID: &str = "-- xid\nSELECT pg_current_xact_id()::text AS xid";
        tx.query_one(XID, &[]).await?.get::<String>("xid")
    });
    let xid = write.await.unwrap().value;
    let recorded = db.psql("SELECT xid, tags FROM change_events").await;
    assert_eq!(recorded, format!("{xid}|{{post:1,posts}}"));
    let write = cluster.write("change", patience(), |tx| async move {
        record_change(&tx, &["lost".into()]).await?;
        Err::<(), _>(Error::Config("no".into()))
    });
    write.await.unwrap_err();
    assert_eq!(db.psql("SELECT count(*) FROM change_events").await, "1");
}
