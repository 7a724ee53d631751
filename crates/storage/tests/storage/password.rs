//! A password that is changed while the service runs.

use std::fs;

use prepnexus_storage::{Cluster, ClusterConfig, Freshness, Secret};
use prepnexus_testkit::wait_until;

use crate::support::{SOON, own_stack, patience, patient};

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_is_read_from_its_file_again() {
    let (_stack, db) = own_stack(0).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    db.psql("ALTER ROLE prepnexus_test_api PASSWORD 'first'")
        .await;
    fs::write(&file, "first\n").unwrap();
    let config = ClusterConfig {
        password: Some(Secret::read_file(&file).unwrap()),
        password_file: Some(file.clone()),
        pool_min_idle: 0,
        ..patient(db.config())
    };
    let cluster = Cluster::start(&config).unwrap();
    cluster.wait_for_primary(patience()).await.unwrap();
    let held = cluster.read(Freshness::Any, patience()).await.unwrap();

    // The sessions that are there go on; new ones are refused until the file says what is good.
    db.psql("ALTER ROLE prepnexus_test_api PASSWORD 'second'")
        .await;
    let error = cluster.read(Freshness::Any, patience()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("28P01"), "{}", error.chain());
    held.query_one("-- one\nSELECT 1", &[]).await.unwrap();
    fs::write(&file, "second\n").unwrap();
    let connects = async || cluster.read(Freshness::Any, patience()).await.is_ok();
    wait_until("the new password", SOON, connects).await;
    cluster.wait_for_primary(patience()).await.unwrap();
}

#[test]
fn a_file_without_a_password_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    assert!(Secret::read_file(&file).is_err());
    fs::write(&file, "\n").unwrap();
    let error = Secret::read_file(&file).unwrap_err();
    assert_eq!(error.to_string(), "the file is empty");
}
