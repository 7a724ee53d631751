//! The number of the server process that a connection was given at its start.
//!
//! A pooler gives one of its own, and passes statements on to whatever server process is free: what the server itself says
//! then differs. The driver keeps the number to itself, but for the request that cancels a statement; so such a request is
//! made, and sent nowhere. Its last 16 bytes are length, code, number and secret, each a big-endian `i32`
//! (the protocol's `CancelRequest`).

use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio_postgres::{
    Client,
    tls::{ChannelBinding, TlsConnect, TlsStream},
};

/// More than both requests that may come: for TLS, and to cancel.
const ROOM: usize = 64;

/// `None` where the driver makes no such request.
pub(super) async fn told(client: &Client) -> Option<i32> {
    let (ours, mut theirs) = duplex(ROOM);
    // To a request for TLS: yes.
    theirs.write_all(b"S").await.ok()?;
    client
        .cancel_token()
        .cancel_query_raw(Nowhere(ours), Plain)
        .await
        .ok()?;
    let mut sent = Vec::new();
    theirs.read_to_end(&mut sent).await.ok()?;
    let request = sent.last_chunk::<16>()?;
    let number = request[8..12].try_into().ok()?;
    Some(i32::from_be_bytes(number))
}

/// Takes what is sent, as it is.
struct Nowhere(DuplexStream);

/// A handshake that changes nothing.
struct Plain;

impl TlsConnect<Nowhere> for Plain {
    type Stream = Nowhere;
    type Error = io::Error;
    type Future = Ready<Result<Nowhere, io::Error>>;

    fn connect(self, stream: Nowhere) -> Self::Future {
        ready(Ok(stream))
    }
}

impl TlsStream for Nowhere {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Nowhere {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Nowhere {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
