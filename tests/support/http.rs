//! An HTTP server inside the test: keeps what it gets, and misbehaves on request.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// What the server answers, or does instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// This status, with a short body.
    Status(u16),
    /// This status with one more header line.
    With(u16, &'static str),
    /// Reads the request and hangs up.
    DropBeforeReply,
    /// Reads the request and never answers.
    Silence,
    /// Answers in no protocol.
    Garbage,
    /// Answers correctly after a while.
    Late(Duration),
    /// Answers one byte at a time, far too slowly.
    Trickle,
    /// 200, and then a byte of the body now and then.
    TrickledBody,
    /// 200, and a body without an end.
    EndlessBody,
    /// 200, with more headers than anybody needs.
    HugeHeaders,
    /// One header line that does not end.
    EndlessHeader,
    /// This status as soon as anything of the request is there, without reading it.
    Early(u16),
    /// 200 before anything was asked.
    AtAccept,
    /// Hangs up before anything is read.
    DropAtAccept,
}

/// A request that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Method and path.
    pub line: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

#[derive(Debug, Default)]
struct Kept {
    received: Vec<Received>,
    faults: VecDeque<What>,
    always: Option<What>,
    connections: usize,
}

/// The server; it ends with this value.
#[derive(Debug)]
pub struct Hook {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    certificate: Option<String>,
    server: JoinHandle<()>,
}

impl Hook {
    /// Plain text on a free loopback port.
    pub async fn start() -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), None)
    }

    /// Plain text on this port.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::serve(TcpListener::bind(address).await.expect("the port is free"), None)
    }

    /// TLS with a certificate for `localhost` of its own.
    pub async fn start_tls() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider supports them")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("key fits certificate");
        Self::serve(listener, Some((TlsAcceptor::from(Arc::new(config)), made.cert.pem())))
    }

    fn serve(listener: TcpListener, tls: Option<(TlsAcceptor, String)>) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (acceptor, certificate) = tls.unzip();
        let shared = Arc::clone(&kept);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, kept, certificate, server }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it, by address.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The certificate, PEM.
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().expect("it speaks TLS")
    }

    /// Misbehaves at the next request that is not yet spoken for.
    pub fn inject(&self, what: What) {
        kept(&self.kept).faults.push_back(what);
    }

    /// Misbehaves at every request.
    pub fn always(&self, what: What) {
        kept(&self.kept).always = Some(what);
    }

    /// The requests that came whole, in the order in which they came.
    pub fn received(&self) -> Vec<Received> {
        kept(&self.kept).received.clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        kept(&self.kept).connections
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn kept(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Mutex<Kept>>) {
    let what = {
        let mut kept = kept(&shared);
        kept.connections += 1;
        kept.faults.pop_front().or_else(|| kept.always.clone()).unwrap_or(What::Status(200))
    };
    match tls {
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, what, &shared).await;
            }
        }
        None => converse(stream, what, &shared).await,
    }
}

fn plain(status: u16, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Status\r\ncontent-length: 5\r\n{more}\r\nsaid\n").into_bytes()
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, what: What, shared: &Mutex<Kept>) {
    match what {
        What::DropAtAccept => return,
        What::AtAccept => {
            let _ = stream.write_all(&plain(200, "")).await;
            let _ = stream.flush().await;
            rest(&mut stream).await;
            return;
        }
        What::Early(status) => {
            let mut first = [0; 1];
            let _ = stream.read_exact(&mut first).await;
            let _ = stream.write_all(&plain(status, "")).await;
            let _ = stream.flush().await;
            rest(&mut stream).await;
            return;
        }
        _ => {}
    }
    let Some(request) = request(&mut stream).await else { return };
    kept(shared).received.push(request);
    let _ = answer(&mut stream, what).await;
    let _ = stream.shutdown().await;
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, what: What) -> std::io::Result<()> {
    match what {
        What::Status(status) => stream.write_all(&plain(status, "")).await?,
        What::With(status, header) => stream.write_all(&plain(status, &format!("{header}\r\n"))).await?,
        What::Garbage => stream.write_all(b"220 mail.example ESMTP\r\n250 ok\r\n\r\n").await?,
        What::Late(pause) => {
            tokio::time::sleep(pause).await;
            stream.write_all(&plain(200, "")).await?;
        }
        What::Silence => rest(stream).await,
        What::Trickle => {
            for byte in plain(200, "") {
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        What::TrickledBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
            for _ in 0..1000 {
                stream.write_all(b"x").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        What::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"8\r\nendless \r\n").await?;
            }
        }
        What::HugeHeaders => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            for number in 0..10_000 {
                stream.write_all(format!("x-{number}: more\r\n").as_bytes()).await?;
            }
            stream.write_all(b"content-length: 0\r\n\r\n").await?;
        }
        What::EndlessHeader => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await?;
            loop {
                stream.write_all(&[b'x'; 1024]).await?;
            }
        }
        What::DropBeforeReply | What::Early(_) | What::AtAccept | What::DropAtAccept => {}
    }
    stream.flush().await
}

/// Reads until the other side hangs up.
async fn rest<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut waste = [0; 4096];
    while matches!(stream.read(&mut waste).await, Ok(read) if read > 0) {}
}

async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).expect("a head is ASCII");
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => body.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
    Some(Received { line, headers, body })
}
