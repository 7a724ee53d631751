//! Cancels a statement that nobody waits for any more.
//!
//! The request goes over a connection of its own, which the server closes when it has heard it. The
//! driver closes it at once instead, and PgBouncer then drops what it had not passed on yet. So its
//! end is waited for, as libpq does.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{config::NodeAddr, pool::Session};

/// How long the server may take to hear of it, and to end the statement.
const LIMIT: Duration = Duration::from_secs(1);

/// Has the server end what the session is doing, and closes the session. Best effort: a server that
/// can't be reached ends the statement by its timeout.
pub(super) async fn cancel(session: Box<Session>, addr: NodeAddr, tls: MakeRustlsConnect) {
    let cancelling = async {
        if ask(&session, &addr, tls).await.is_ok() {
            // A pooler forgets the request of a client that is gone: stay until it is served.
            let _ended = session.batch_execute("").await;
        }
    };
    let _in_time = timeout(LIMIT, cancelling).await;
}

async fn ask(session: &Session, addr: &NodeAddr, mut tls: MakeRustlsConnect) -> io::Result<()> {
    let stream = Lingering(TcpStream::connect((addr.host.as_str(), addr.port)).await?);
    let tls = MakeTlsConnect::<Lingering>::make_tls_connect(&mut tls, &addr.host);
    let tls = tls.map_err(io::Error::other)?;
    let asking = session.cancel_token();
    asking
        .cancel_query_raw(stream, tls)
        .await
        .map_err(io::Error::other)
}

/// A connection that is closed when the other side has closed it.
struct Lingering(TcpStream);

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut nothing = [0; 64];
        loop {
            let mut buffer = ReadBuf::new(&mut nothing);
            let read = ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Pin::new(&mut self.0).poll_shutdown(cx);
            }
        }
    }
}
