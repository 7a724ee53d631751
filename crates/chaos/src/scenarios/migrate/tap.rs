//! A wire-tap between the binary and the server: counts the statements that pass, and stops at one of them, so that the
//! binary can be killed exactly there.
//!
//! The runner sends what it was to do as simple queries ('Q'), and what it asks as prepared ones.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

/// Where the binary is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The statement was not sent yet.
    Before,
    /// The statement was sent, and its answer has not come.
    After,
}

/// One for one run.
pub(super) struct Tap {
    pub(super) port: u16,
    watch: Arc<Watch>,
    reached: Receiver<()>,
    over: Arc<AtomicBool>,
}

struct Watch {
    /// Statements so far.
    count: AtomicU32,
    stop_at: u32,
    moment: Moment,
    reached: Sender<()>,
}

impl Tap {
    /// Stops at the statement of that number, from 1.
    pub(super) fn start(server: SocketAddr, stop_at: u32, moment: Moment) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let (sender, reached) = channel();
        let watch = Arc::new(Watch {
            count: AtomicU32::new(0),
            stop_at,
            moment,
            reached: sender,
        });
        let over = Arc::new(AtomicBool::new(false));
        let (is_over, joined) = (Arc::clone(&over), Arc::clone(&watch));
        thread::spawn(move || {
            for client in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(client) = client {
                    join(client, server, &joined);
                }
            }
        });
        Ok(Self {
            port,
            watch,
            reached,
            over,
        })
    }

    /// Statements so far.
    pub(super) fn count(&self) -> u32 {
        self.watch.count.load(Ordering::SeqCst)
    }

    /// Waits until the statement is reached; false when `is_done` before that.
    pub(super) fn until_reached(&self, mut is_done: impl FnMut() -> bool) -> bool {
        loop {
            match self.reached.recv_timeout(Duration::from_millis(2)) {
                Ok(()) => return true,
                Err(_) if is_done() => return self.reached.try_recv().is_ok(),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Who waits for a client is given one, and sees that it is over.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Joins a client and the server, until one of them goes.
fn join(client: TcpStream, server: SocketAddr, watch: &Arc<Watch>) {
    let both = || -> io::Result<[TcpStream; 4]> {
        let server = TcpStream::connect(server)?;
        Ok([client.try_clone()?, server.try_clone()?, client, server])
    };
    let Ok(
        [
            mut from_client,
            mut to_server,
            mut to_client,
            mut from_server,
        ],
    ) = both()
    else {
        return;
    };
    let watch = Arc::clone(watch);
    thread::spawn(move || {
        let _ended = forward(&mut from_client, &mut to_server, &watch);
        let _closed = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ended = io::copy(&mut from_server, &mut to_client);
        let _closed = to_client.shutdown(Shutdown::Both);
    });
}

/// Message by message: the first has no kind; then each is kind, length, body.
fn forward(client: &mut TcpStream, server: &mut TcpStream, watch: &Watch) -> io::Result<()> {
    let mut message = Vec::new();
    read(client, 0, &mut message)?;
    server.write_all(&message)?;
    loop {
        message.clear();
        read(client, 1, &mut message)?;
        let is_here =
            message[0] == b'Q' && watch.count.fetch_add(1, Ordering::SeqCst) + 1 == watch.stop_at;
        if is_here && watch.moment == Moment::Before {
            let _told = watch.reached.send(());
            // Until it is dead: then there is nothing more to read.
            io::copy(client, &mut io::sink())?;
            return Ok(());
        }
        server.write_all(&message)?;
        if is_here {
            let _told = watch.reached.send(());
        }
    }
}

fn read(from: &mut TcpStream, kind: usize, message: &mut Vec<u8>) -> io::Result<()> {
    message.resize(kind + 4, 0);
    from.read_exact(message)?;
    let mut length = [0; 4];
    length.copy_from_slice(&message[kind..]);
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    message.resize(kind + length, 0);
    from.read_exact(&mut message[kind + 4..])
}
