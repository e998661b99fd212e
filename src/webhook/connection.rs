//! A connection: from a name to a stream, over an address that may be called.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{CallerConfig, step};
use crate::domain::alerts::destination::Destination;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Both ways of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that knows whether anything was written.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    written: Arc<AtomicBool>,
}

impl Connection {
    /// Becomes true when anything is written.
    pub(super) fn written(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.written)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        // TLS may have sent what it reports as pending: from the first try on there is doubt.
        self.written.store(true, Ordering::Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Opens a connection before `end`.
///
/// # Errors
/// A sentence for people: which step failed and why.
pub(super) async fn open(
    to: &Destination,
    config: &CallerConfig,
    tls: &TlsConnector,
    end: Instant,
) -> Result<Connection, String> {
    let limits = &config.deadlines;
    let found = match to.literal() {
        Some(address) => vec![SocketAddr::new(address, to.port)],
        None => step("resolve", limits.resolve, end, lookup_host((to.host.as_str(), to.port))).await?.collect(),
    };
    let addresses = permitted(&found, config).map_err(|why| format!("{to}: {why}"))?;
    let tcp = step("connect", limits.connect, end, connect(&addresses, limits.connect))
        .await
        .map_err(|why| format!("{to}: {why}"))?;
    // A stream that waits for an acknowledgement before it writes on would wait in vain.
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> = if to.secure {
        let name = match to.literal() {
            Some(address) => ServerName::IpAddress(IpAddr::into(address)),
            None => ServerName::try_from(to.host.clone()).map_err(|_| format!("{to}: no name for a certificate"))?,
        };
        let secured = step("TLS", limits.tls, end, tls.connect(name, tcp)).await;
        Box::new(secured.map_err(|why| format!("{to}: {why}"))?)
    } else {
        Box::new(tcp)
    };
    Ok(Connection { stream, written: Arc::new(AtomicBool::new(false)) })
}

/// The addresses that may be connected to; what is found wrong with one of the others when there are none.
fn permitted(found: &[SocketAddr], config: &CallerConfig) -> Result<Vec<SocketAddr>, String> {
    let mut wrong = "the name leads to no address".to_owned();
    let mut good = Vec::new();
    for address in found {
        match config.allow.permits(*address) {
            Ok(()) => good.push(*address),
            Err(kind) => {
                wrong = format!(
                    "leads to {}, {kind}, which webhooks.allow in the configuration does not list itself",
                    address.ip()
                );
            }
        }
    }
    good.truncate(ADDRESSES_MAX);
    if good.is_empty() { Err(wrong) } else { Ok(good) }
}

/// The first of the addresses that takes a connection: exactly these, nothing is looked up again. Each gets its share of what is
/// allowed, so that one that is silent does not keep the others from being tried.
async fn connect(addresses: &[SocketAddr], allowed: Duration) -> std::io::Result<TcpStream> {
    let share = allowed / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failed = None;
    for address in addresses {
        match timeout(share, TcpStream::connect(*address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(std::io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failed.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into()))
}
