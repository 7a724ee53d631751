//! The etcd server in which the members of a cluster agree on who leads.

use std::path::Path;
use std::time::Duration;

use crate::binaries::Patroni;
use crate::daemon::Daemon;
use crate::error::{Error, Result};
use crate::layout::make_private;
use crate::postgres::Shared;
use crate::{http, ports};

const START_LIMIT: Duration = Duration::from_secs(20);
const ASK_LIMIT: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 5;

/// One etcd server, alone.
#[derive(Debug)]
pub(super) struct Etcd {
    port: u16,
    daemon: Daemon,
}

impl Etcd {
    /// Starts it below `root` and waits until it takes writes.
    pub(super) fn start(root: &Path, programs: &Patroni, shared: &Shared) -> Result<Self> {
        let daemon = Daemon::new("etcd", root.join("etcd.log"));
        let dir = root.join("etcd");
        make_private(&dir, &shared.account)?;
        let mut attempt = 0;
        loop {
            let (port, peer_port) = (ports::pick()?, ports::pick()?);
            let (client, peer) = (url(port), url(peer_port));
            let mut command = shared.account.server(&programs.etcd, shared.tied);
            command.args(["--name", "etcd", "--enable-v2=true", "--data-dir"]);
            command.arg(&dir);
            command.args(["--listen-client-urls", &client]);
            command.args(["--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer]);
            command.args(["--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &format!("etcd={peer}")]);
            let healthy = |_: &str| {
                let asked = http::request(ports::loopback(port), "GET", "/health", "", ASK_LIMIT);
                asked.is_ok_and(|answer| answer.status == 200 && answer.body.contains("true"))
            };
            attempt += 1;
            match daemon.start(&shared.spawner, command, port, START_LIMIT, healthy) {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => {}
                result => return result.map(|()| Self { port, daemon }),
            }
        }
    }

    /// Where its clients connect to.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn kill(&self) -> Result<()> {
        self.daemon.kill()
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
