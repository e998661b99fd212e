//! A mail server inside the test: keeps what it gets, and misbehaves on request.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Time between two bytes of a server that trickles.
const TRICKLE: Duration = Duration::from_millis(40);

/// A line that trickles: longer than any deadline of a test, cut into bytes.
const TRICKLED: &str =
    "250-This server takes its time, and then some more of it, before it comes to the point of things.";

/// A point of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Greeting,
    /// In the open.
    Ehlo,
    StartTls,
    /// The handshake, before the server says a word of it.
    Tls,
    /// EHLO under TLS.
    EhloSecured,
    /// The end of a login.
    Auth,
    /// LOGIN, where the server asks for the user.
    AuthUser,
    /// LOGIN, where it asks for the password.
    AuthPassword,
    Mail,
    Rcpt,
    Data,
    /// The end of the message.
    Dot,
    Rset,
    Noop,
    Quit,
}

/// A misbehaviour. At `Dot` the message counts as taken over, except with `Reply4xx`, `Reply5xx` and `Drop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Reply4xx,
    Reply5xx,
    /// Any reply, without CRLF.
    Reply(&'static str),
    /// Hangs up instead of a reply.
    Drop,
    /// At `Data`: asks for the message and hangs up in the middle of it.
    DropBeforeDot,
    /// At `Data`: asks for the message and reads one byte of it at a time, at length.
    SlowReader,
    /// At `Dot`: takes the message over and hangs up without a reply.
    DropAfterDot,
    /// Never replies, keeps the connection.
    Silence,
    Garbage,
    /// Replies one byte at a time, far too slowly.
    Trickle,
    /// Replies correctly after a while.
    Late(Duration),
}

/// When to misbehave, and how.
#[derive(Debug, Clone)]
pub struct Fault {
    pub at: Command,
    pub what: What,
    /// How often; `None` = always.
    pub times: Option<u32>,
    /// Only when the current recipient is this one (known from `Rcpt` on).
    pub recipient: Option<String>,
}

impl Fault {
    pub fn always(at: Command, what: What) -> Self {
        Self { at, what, times: None, recipient: None }
    }

    pub fn once(at: Command, what: What) -> Self {
        Self { times: Some(1), ..Self::always(at, what) }
    }

    pub fn for_recipient(self, recipient: &str) -> Self {
        Self { recipient: Some(recipient.to_owned()), ..self }
    }
}

/// A message that came with its final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub from: String,
    pub to: String,
    /// Without dot-stuffing, with CRLF.
    pub message: Vec<u8>,
    /// Which connection it came over, from 1.
    pub connection: usize,
    /// The server took it over, whether or not it said so.
    pub accepted: bool,
}

/// How the server protects its conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SinkTls {
    #[default]
    None,
    StartTls,
    Implicit,
}

/// What the server offers.
#[derive(Debug, Clone, Default)]
pub struct SinkOptions {
    pub tls: SinkTls,
    /// Mechanisms as advertised, such as `PLAIN LOGIN`; empty for none.
    pub mechanisms: &'static str,
    /// The only user and password that are let in.
    pub credentials: (&'static str, &'static str),
    /// Further EHLO lines.
    pub extensions: &'static [&'static str],
}

#[derive(Default)]
struct Kept {
    messages: Vec<Received>,
    faults: Vec<Fault>,
    lines: Vec<(usize, String)>,
    connections: usize,
}

struct Shared {
    kept: Mutex<Kept>,
    changed: Notify,
    options: SinkOptions,
    acceptor: TlsAcceptor,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder panics")
    }

    fn fault(&self, at: Command, recipient: &str) -> Option<What> {
        let mut kept = self.kept();
        let found = kept.faults.iter_mut().find(|fault| {
            fault.at == at && fault.times != Some(0) && fault.recipient.as_deref().is_none_or(|only| only == recipient)
        })?;
        found.times = found.times.map(|times| times - 1);
        Some(found.what.clone())
    }
}

/// The server; it ends when it is dropped.
pub struct SmtpSink {
    address: SocketAddr,
    ca_pem: String,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl SmtpSink {
    /// Plain text, no authentication.
    pub async fn start() -> Self {
        Self::start_with(SinkOptions::default()).await
    }

    pub async fn start_with(options: SinkOptions) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let ca_pem = made.cert.pem();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("default versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("key fits certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let shared = Arc::new(Shared { kept: Mutex::default(), changed: Notify::new(), options, acceptor });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Self { address, ca_pem, shared, listening }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate for `localhost`, to be trusted.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Misbehave from now on; the first fault that fits is taken.
    pub fn inject(&self, fault: Fault) {
        self.shared.kept().faults.push(fault);
    }

    /// Behave from now on.
    pub fn heal(&self) {
        self.shared.kept().faults.clear();
    }

    pub fn messages(&self) -> Vec<Received> {
        self.shared.kept().messages.clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.kept().connections
    }

    /// Every command line that came, with its connection.
    pub fn lines(&self) -> Vec<(usize, String)> {
        self.shared.kept().lines.clone()
    }

    /// Waits until `n` messages were taken over, and returns these.
    ///
    /// # Panics
    ///
    /// When they are fewer after `timeout`.
    pub async fn wait_for(&self, n: usize, timeout: Duration) -> Vec<Received> {
        let waited = tokio::time::timeout(timeout, async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let accepted: Vec<_> = self.messages().into_iter().filter(|message| message.accepted).collect();
                if accepted.len() >= n {
                    return accepted;
                }
                changed.await;
            }
        })
        .await;
        waited.unwrap_or_else(|_| panic!("{n} messages within {timeout:?}, got {:?}", self.messages()))
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut talks = tokio::task::JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let connection = {
            let mut kept = shared.kept();
            kept.connections += 1;
            kept.connections
        };
        let shared = Arc::clone(&shared);
        // A conversation that ends in an error is what the tests are about.
        talks.spawn(async move { drop(serve(tcp, connection, &shared).await) });
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

struct Talk<'a> {
    stream: BufReader<Box<dyn Stream>>,
    connection: usize,
    shared: &'a Shared,
    from: String,
    to: String,
}

async fn serve(tcp: TcpStream, connection: usize, shared: &Shared) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    if shared.options.tls == SinkTls::Implicit {
        stream = secured(stream, connection, shared).await?;
    }
    let mut talk = Talk::over(stream, connection, shared);
    talk.reply(Command::Greeting, "220 sink.test ESMTP").await?;
    let mut is_secure = shared.options.tls == SinkTls::Implicit;
    loop {
        let line = talk.line().await?;
        let upper = line.to_ascii_uppercase();
        let verb = upper.split_ascii_whitespace().next().unwrap_or_default();
        match verb {
            "EHLO" => {
                let ehlo = talk.extensions(is_secure);
                let at = if is_secure { Command::EhloSecured } else { Command::Ehlo };
                talk.reply(at, &ehlo).await?;
            }
            "STARTTLS" => {
                talk.reply(Command::StartTls, "220 go ahead").await?;
                let plain = talk.stream.into_inner();
                talk = Talk::over(secured(plain, connection, shared).await?, connection, shared);
                is_secure = true;
            }
            "AUTH" => talk.auth(&line).await?,
            "MAIL" => {
                talk.from = address(&line);
                talk.to.clear();
                talk.reply(Command::Mail, "250 2.1.0 sender ok").await?;
            }
            "RCPT" => {
                talk.to = address(&line);
                talk.reply(Command::Rcpt, "250 2.1.5 recipient ok").await?;
            }
            "DATA" => talk.take_message().await?,
            "RSET" => talk.reply(Command::Rset, "250 flushed").await?,
            "NOOP" => talk.reply(Command::Noop, "250 ok").await?,
            "QUIT" => {
                talk.reply(Command::Quit, "221 bye").await?;
                return Ok(());
            }
            _ => talk.write("500 what?\r\n").await?,
        }
    }
}

/// The handshake, or what comes instead of it.
async fn secured(stream: Box<dyn Stream>, connection: usize, shared: &Shared) -> io::Result<Box<dyn Stream>> {
    let stream = match shared.fault(Command::Tls, "") {
        None => stream,
        Some(What::Late(after)) => {
            tokio::time::sleep(after).await;
            stream
        }
        what => {
            let mut talk = Talk::over(stream, connection, shared);
            talk.answer(what, "").await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    };
    Ok(Box::new(shared.acceptor.accept(stream).await?))
}

impl<'a> Talk<'a> {
    fn over(stream: Box<dyn Stream>, connection: usize, shared: &'a Shared) -> Self {
        Self { stream: BufReader::new(stream), connection, shared, from: String::new(), to: String::new() }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_owned();
        self.shared.kept().lines.push((self.connection, line.clone()));
        Ok(line)
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    fn extensions(&self, is_secure: bool) -> String {
        let options = &self.shared.options;
        let mut lines = vec!["sink.test".to_owned(), "8BITMIME".to_owned()];
        lines.extend(options.extensions.iter().map(ToString::to_string));
        if options.tls == SinkTls::StartTls && !is_secure {
            lines.push("STARTTLS".to_owned());
        } else if !options.mechanisms.is_empty() {
            lines.push(format!("AUTH {}", options.mechanisms));
        }
        let last = lines.len() - 1;
        let with_code = |(n, line): (usize, &String)| format!("250{}{line}", if n == last { ' ' } else { '-' });
        lines.iter().enumerate().map(with_code).collect::<Vec<_>>().join("\r\n")
    }

    /// Replies, or misbehaves; an error ends the conversation.
    async fn reply(&mut self, at: Command, right: &str) -> io::Result<()> {
        let what = self.shared.fault(at, &self.to);
        self.answer(what, right).await
    }

    async fn answer(&mut self, what: Option<What>, right: &str) -> io::Result<()> {
        let hang_up = Err(io::ErrorKind::ConnectionAborted.into());
        match what {
            None | Some(What::DropBeforeDot | What::SlowReader) => self.write(&format!("{right}\r\n")).await,
            Some(What::Reply4xx) => self.write("451 4.3.0 not now\r\n").await,
            Some(What::Reply5xx) => self.write("550 5.7.1 never\r\n").await,
            Some(What::Reply(reply)) => {
                self.write(&format!("{reply}\r\n")).await?;
                if reply.starts_with("421") { hang_up } else { Ok(()) }
            }
            Some(What::Drop | What::DropAfterDot) => hang_up,
            Some(What::Garbage) => self.write("\u{7}HTTP/1.1 200 OK\r\n\r\n").await,
            Some(What::Silence) => {
                // Until the caller has had enough.
                let mut ignored = Vec::new();
                self.stream.read_to_end(&mut ignored).await?;
                hang_up
            }
            Some(What::Trickle) => {
                for byte in TRICKLED.bytes() {
                    self.stream.write_all(&[byte]).await?;
                    self.stream.flush().await?;
                    tokio::time::sleep(TRICKLE).await;
                }
                hang_up
            }
            Some(What::Late(after)) => {
                tokio::time::sleep(after).await;
                self.write(&format!("{right}\r\n")).await
            }
        }
    }

    async fn auth(&mut self, line: &str) -> io::Result<()> {
        let decoded = |text: &str| BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = self.shared.options.credentials;
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let is_right = if let [_, "PLAIN", response] = words[..] {
            decoded(response) == Some(format!("\0{user}\0{password}"))
        } else {
            self.reply(Command::AuthUser, "334 VXNlcm5hbWU6").await?;
            let given_user = self.line().await?;
            self.reply(Command::AuthPassword, "334 UGFzc3dvcmQ6").await?;
            let given_password = self.line().await?;
            decoded(&given_user).as_deref() == Some(user) && decoded(&given_password).as_deref() == Some(password)
        };
        // Repeats what it was given, as some servers do: no caller may pass that on.
        let right = if is_right { "235 welcome".to_owned() } else { format!("535 5.7.8 wrong: {line}") };
        self.reply(Command::Auth, &right).await
    }

    async fn take_message(&mut self) -> io::Result<()> {
        let what = self.shared.fault(Command::Data, &self.to);
        let goes_on = matches!(what, None | Some(What::Late(_) | What::DropBeforeDot | What::SlowReader));
        let drops = what == Some(What::DropBeforeDot);
        let is_slow = what == Some(What::SlowReader);
        self.answer(what, "354 go on").await?;
        if !goes_on {
            return Ok(());
        }
        if drops {
            self.stream.read_u8().await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if is_slow {
            // Until the other side has had enough.
            loop {
                self.stream.read_u8().await?;
                tokio::time::sleep(TRICKLE).await;
            }
        }
        let mut message = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let what = self.shared.fault(Command::Dot, &self.to);
        let is_refused = matches!(what, Some(What::Reply4xx | What::Reply5xx | What::Reply(_) | What::Drop));
        self.shared.kept().messages.push(Received {
            from: self.from.clone(),
            to: self.to.clone(),
            message,
            connection: self.connection,
            accepted: !is_refused,
        });
        self.shared.changed.notify_waiters();
        self.answer(what, "250 2.0.0 queued").await
    }
}

fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}
