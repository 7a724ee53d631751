//! A TCP proxy that stands in for a bad network between a client and one server.
//!
//! Killing and freezing are faults of a server; this is a fault of the way there: nothing gets through, or late, or slowly,
//! while both ends are well. Plain threads, so that it neither needs nor disturbs a test's async runtime.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{During, Result};
use crate::ports::loopback;
use crate::wait::wait_for;

mod connection;
mod link;

use link::Link;

/// A proxy on a free loopback port. Dropping it closes all connections and ends its threads.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    upstream: SocketAddr,
    link: Arc<Link>,
    /// The thread that accepts; `None` while connections are refused.
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Listens on a free port and forwards each connection to `upstream`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when no port or thread is to be had.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(loopback(0)).during(|| "start a proxy".to_owned())?;
        let address = listener
            .local_addr()
            .during(|| "start a proxy".to_owned())?;
        let link = Arc::new(Link::default());
        let proxy = Self {
            address,
            upstream,
            link,
            acceptor: Mutex::new(None),
        };
        proxy.accept_on(listener)?;
        Ok(proxy)
    }

    /// Where clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops forwarding in both directions and closes nothing. New connections are accepted and hang.
    pub fn cut(&self) {
        self.link.change(|state| state.cut = true);
    }

    /// Ends [`Proxy::cut`] and [`Proxy::refuse`]: what was held back is delivered and forwarding goes on. Delay and rate stay.
    ///
    /// # Panics
    /// When another process has taken the port while connections were refused.
    pub fn restore(&self) {
        self.link.change(|state| {
            state.cut = false;
            state.refusing = false;
        });
        let refused = self
            .acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none();
        if refused {
            let bound = wait_for("the proxy's port", Duration::from_secs(5), || {
                Ok(TcpListener::bind(self.address).ok())
            });
            let resumed = bound.and_then(|listener| self.accept_on(listener));
            resumed.expect("the port was free a moment ago and hardly anything takes a given port");
        }
    }

    /// Closes all connections, and refuses new ones until [`Proxy::restore`].
    pub fn refuse(&self) {
        self.link.change(|state| {
            state.cut = false;
            state.refusing = true;
        });
        self.end_accepting();
    }

    /// Adds `delay` to each direction, so twice that to a round trip; zero ends it. Throughput is not affected.
    pub fn set_delay(&self, delay: Duration) {
        self.link.change(|state| state.delay = delay);
    }

    /// Forwards at most so many bytes per second in each direction of each connection; zero means no limit.
    pub fn set_rate(&self, bytes_per_s: u64) {
        self.link.change(|state| state.bytes_per_s = bytes_per_s);
    }

    /// How many connections are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.link.open_connections()
    }

    fn accept_on(&self, listener: TcpListener) -> Result<()> {
        let (link, upstream) = (Arc::clone(&self.link), self.upstream);
        let builder = thread::Builder::new().name("devstack-proxy".to_owned());
        let thread = builder.spawn(move || accept(listener, upstream, &link));
        let thread = thread.during(|| "start a thread".to_owned())?;
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Wakes the accepting thread, which sees that it should end, and waits for it and all of its connections.
    fn end_accepting(&self) {
        let thread = self
            .acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            drop(TcpStream::connect(self.address));
            let _ = thread.join();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

fn accept(listener: TcpListener, upstream: SocketAddr, link: &Arc<Link>) {
    let mut open: Vec<JoinHandle<()>> = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        if link.is_refusing() {
            break;
        }
        open.retain(|thread| !thread.is_finished());
        let link = Arc::clone(link);
        let builder = thread::Builder::new().name("devstack-proxy-connection".to_owned());
        if let Ok(thread) = builder.spawn(move || connection::forward(&client, upstream, &link)) {
            open.push(thread);
        }
    }
    drop(listener);
    for thread in open {
        let _ = thread.join();
    }
}
