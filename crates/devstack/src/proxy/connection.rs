//! One connection through the proxy: per direction one thread that reads and one that writes, with a bounded queue between
//! them, so that a delay adds to latency and not to the cost of each piece.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::proxy::link::Link;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const PIECE_BYTES: usize = 16 * 1024;
/// With [`PIECE_BYTES`]: what the pretended network holds at most before it pushes back.
const PIECES: usize = 64;
/// A limited rate is served in steps of about this length.
const STEP: Duration = Duration::from_millis(20);

struct Piece {
    arrival: Instant,
    bytes: Vec<u8>,
}

/// Forwards one connection until both directions have ended.
pub(super) fn forward(client: &TcpStream, upstream: SocketAddr, link: &Link) {
    let Some(id) = link.open() else { return };
    if link.watch(id, client) && link.wait_to_pass(Instant::now()).is_some() {
        let server = TcpStream::connect_timeout(&upstream, CONNECT_LIMIT);
        if let Ok(server) = server
            && link.watch(id, &server)
        {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            thread::scope(|scope| {
                for (from, to) in [(client, &server), (&server, client)] {
                    let (sender, receiver) = sync_channel(PIECES);
                    scope.spawn(move || read(from, &sender));
                    scope.spawn(move || write(to, from, &receiver, link));
                }
            });
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    link.close(id);
}

/// Reads until the end. An empty piece stands for it, so that the end is delayed and held back like everything else.
fn read(mut from: &TcpStream, queue: &SyncSender<Piece>) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let length = from.read(&mut buffer).unwrap_or(0);
        let piece = Piece {
            arrival: Instant::now(),
            bytes: buffer[..length].to_vec(),
        };
        if queue.send(piece).is_err() || length == 0 {
            return;
        }
    }
}

fn write(mut to: &TcpStream, from: &TcpStream, queue: &Receiver<Piece>, link: &Link) {
    while let Ok(piece) = queue.recv() {
        if piece.bytes.is_empty() {
            if link.wait_to_pass(piece.arrival).is_some() {
                let _ = to.shutdown(Shutdown::Write);
            }
            return;
        }
        let mut rest = piece.bytes.as_slice();
        while !rest.is_empty() {
            let Some(rate) = link.wait_to_pass(piece.arrival) else {
                return;
            };
            let (now, later) = rest.split_at(step_bytes(rate).min(rest.len()));
            if to.write_all(now).is_err() {
                // The receiver is gone: the sender should learn of it.
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
            if rate > 0 {
                link.pause(Duration::from_secs_f64(now.len() as f64 / rate as f64));
            }
            rest = later;
        }
    }
}

fn step_bytes(rate: u64) -> usize {
    if rate == 0 {
        return PIECE_BYTES;
    }
    let bytes = u128::from(rate) * STEP.as_millis() / 1_000;
    usize::try_from(bytes).unwrap_or(PIECE_BYTES).max(1)
}
