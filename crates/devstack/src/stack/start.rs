//! Bringing a stack up, from nothing or from what is there.

use std::fs;
use std::thread;

use crate::account::Account;
use crate::binaries::Postgres;
use crate::error::{During, Error, Result};
use crate::layout::{Layout, make_private};
use crate::postgres::config::stack_conf;
use crate::postgres::{PgNode, Shared};
use crate::redis::RedisServer;
use crate::scratch;
use crate::spawn::Spawner;
use crate::stack::{Stack, StackConfig, check, sweep_abandoned};
use crate::template;

pub(super) fn start(mut config: StackConfig) -> Result<Stack> {
    check(&config)?;
    let account = Account::find()?;
    let mut held = None;
    if config.temporary {
        let postgres = Postgres::newest()?;
        sweep_abandoned(&config.dir, &postgres, &account)?;
        let (dir, lock) = scratch::make(&config.dir)?;
        config.dir = dir;
        held = Some(lock);
    }
    let layout = Layout::make(&config.dir, &account)?;
    let _turn = if held.is_none() {
        Some(layout.lock()?)
    } else {
        None
    };
    let postgres = version_of(&layout)?;
    let shared = Shared {
        postgres,
        account,
        spawner: Spawner::start()?,
        tied: !config.detached,
    };
    // From here on, an error drops the stack, and that ends what had been started.
    let mut stack = Stack::without_servers(layout, shared, held);
    if stack.layout.node_dirs().is_empty() {
        create(&mut stack, &config)?;
    }
    stack.nodes = nodes_by_role(&stack)?;
    start_nodes(&mut stack, &config)?;
    if config.redis {
        let dir = stack.layout.redis_dir();
        make_private(&dir, &stack.shared.account)?;
        stack.redis = Some(RedisServer::open(&dir, &stack.shared));
        stack.redis().start_on_any_port()?;
    }
    Ok(stack)
}

/// The PostgreSQL that the directory's data need, or the newest for an empty one.
pub(super) fn version_of(layout: &Layout) -> Result<Postgres> {
    let Some(dir) = layout.node_dirs().into_iter().next() else {
        return Postgres::newest();
    };
    let path = dir.join("data/PG_VERSION");
    let text = fs::read_to_string(&path).during(|| format!("read {}", path.display()))?;
    let major = text.trim().parse();
    Postgres::of_major(
        major.map_err(|_| Error::Unusable(format!("{} has no number", path.display())))?,
    )
}

/// The nodes of the directory, the primary first.
pub(super) fn nodes_by_role(stack: &Stack) -> Result<Vec<PgNode>> {
    let dirs = stack.layout.node_dirs();
    let mut nodes: Vec<PgNode> = dirs
        .iter()
        .map(|dir| PgNode::open(dir, &stack.shared))
        .collect();
    let mut best = None;
    for (index, node) in nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| !node.is_standby())
    {
        let timeline = node.timeline()?;
        if best.is_none_or(|(highest, _)| timeline > highest) {
            best = Some((timeline, index));
        }
    }
    let Some((_, index)) = best else {
        let root = stack.layout.root.display();
        return Err(Error::Unusable(format!(
            "all nodes in {root} are standbys: none can be the primary"
        )));
    };
    let primary = nodes.remove(index);
    nodes.insert(0, primary);
    Ok(nodes)
}

/// Makes the data directories of a new stack. Copying one that has never run is faster than a base backup.
fn create(stack: &mut Stack, config: &StackConfig) -> Result<()> {
    let account = &stack.shared.account;
    let first = stack.layout.node_dir(1);
    make_private(&first, account)?;
    template::unpack(&stack.shared.postgres, account, &first.join("data"))?;
    for number in 2..config.replicas + 2 {
        let dir = stack.layout.node_dir(number);
        make_private(&dir, account)?;
        template::copy_stopped(account, &first.join("data"), &dir.join("data"))?;
        PgNode::open(&dir, &stack.shared).mark_as_standby()?;
    }
    Ok(())
}

fn start_nodes(stack: &mut Stack, config: &StackConfig) -> Result<()> {
    let conf = stack_conf(config);
    for node in &stack.nodes {
        node.write_stack_conf(&conf)?;
    }
    let primary = stack.primary().clone();
    primary.start_on_any_port()?;
    for number in stack.nodes.len() + 1..config.replicas + 2 {
        let dir = stack.layout.node_dir(number);
        make_private(&dir, &stack.shared.account)?;
        let node = PgNode::open(&dir, &stack.shared);
        node.write_stack_conf(&conf)?;
        node.copy_from(&primary)?;
        node.mark_as_standby()?;
        stack.nodes.push(node);
    }
    let timeline = primary.timeline()?;
    let starting = |node: &PgNode| {
        // A standby of an older timeline may have replayed what the primary never had, and could then not follow it.
        if !node.is_standby() || node.timeline()? < timeline {
            return node.rejoin_as_replica_of(&primary).map(drop);
        }
        node.reserve_slot_on(&primary)?;
        node.set_upstream(&primary)?;
        node.start_on_any_port()
    };
    thread::scope(|scope| {
        let replicas = stack.nodes.iter().skip(1);
        let threads: Vec<_> = replicas
            .map(|node| scope.spawn(move || starting(node)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })
}
