//! `api keys`: the only way a key is made.

use anyhow::Context;
use prepnexus_content::Keys;
use prepnexus_storage::{Cluster, ClusterConfig, Deadline};

use crate::args::KeysCommand;

pub(crate) fn run(command: &KeysCommand, config: &ClusterConfig) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster = Cluster::start(config).context("the database settings can't be used")?;
        let outcome = execute(command, &Keys::new(cluster.clone()), cluster.deadline()).await;
        cluster.close().await;
        outcome
    })
}

async fn execute(command: &KeysCommand, keys: &Keys, deadline: Deadline) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create { role, name } => {
            let new = keys.create(name, *role, deadline).await?;
            eprintln!(
                "key {} ({}, {}); it is shown this once:",
                new.key.id, new.key.role, new.key.name
            );
            println!("{}", new.text);
        }
        KeysCommand::List => {
            println!(
                "{:>6}  {:<7}  {:<20}  {:<20}  name",
                "id", "role", "created", "revoked"
            );
            for key in keys.list(deadline).await? {
                let revoked = key
                    .revoked_at
                    .map_or_else(|| "-".to_owned(), |time| format!("{time:.0}"));
                let (id, role, created) = (key.id, key.role.as_str(), key.created_at);
                println!(
                    "{id:>6}  {role:<7}  {created:<20.0}  {revoked:<20}  {}",
                    key.name
                );
            }
        }
        KeysCommand::Revoke { id } => {
            keys.revoke(*id, deadline)
                .await
                .with_context(|| format!("key {id} is not revoked"))?;
            eprintln!("key {id} is revoked");
        }
    }
    Ok(())
}
