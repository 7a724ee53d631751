//! What a cluster refuses before it asks anybody, and what a refused login looks like.

use prepnexus_storage::{Cluster, ClusterConfig, Error, Freshness, Secret};
use prepnexus_testkit::TestDb;

use crate::support::{patience, patient};

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_refused() {
    let nodes = Vec::new();
    let config = ClusterConfig {
        nodes,
        ..ClusterConfig::default()
    };
    let error = Cluster::start(&config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "configuration: nodes must name at least one server"
    );
}

#[tokio::test]
async fn a_refused_login_says_why_and_keeps_the_password_to_itself() {
    let db = TestDb::new().await;
    let config = ClusterConfig {
        password: Some(Secret::new("geheim")),
        ..patient(db.config())
    };
    let cluster = Cluster::start(&config).unwrap();
    let error = cluster.read(Freshness::Any, patience()).await.unwrap_err();
    let Error::Unavailable { reason, .. } = error else {
        panic!("{error}");
    };
    assert!(reason.contains("28P01"), "{reason}");
    assert!(!reason.contains("geheim") && !format!("{cluster:?}").contains("geheim"));
}
