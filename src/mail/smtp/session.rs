//! A session: from the TCP connection to a server that is ready for MAIL.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::config::{Credentials, SmtpConfig, TlsMode};
use super::wire::{Broken, Fault, Reply, Stream, Until, Wire, step};

/// TLS as prepared at the start.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) server_name: ServerName<'static>,
}

/// What the server says it can do.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one flag per extension of the protocol")]
pub(super) struct Extensions {
    pub(super) starttls: bool,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) size: bool,
}

impl Extensions {
    fn of(ehlo: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in ehlo.lines.iter().skip(1) {
            let upper = line.to_ascii_uppercase();
            let mut words = upper.split_ascii_whitespace();
            match words.next() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("8BITMIME") => extensions.eight_bit = true,
                Some("SMTPUTF8") => extensions.utf8 = true,
                Some("SIZE") => extensions.size = true,
                Some("AUTH") => {
                    for mechanism in words {
                        extensions.auth_plain |= mechanism == "PLAIN";
                        extensions.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        extensions
    }
}

/// A session that is ready for MAIL.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) extensions: Extensions,
    /// Messages that were begun on it.
    pub(super) messages: u32,
    /// When it was last known to be in order.
    pub(super) clean_at: Instant,
    /// A transaction was refused half-way: RSET comes before the next.
    pub(super) needs_reset: bool,
}

/// Opens a session before `end`.
///
/// # Errors
///
/// A sentence for people: which step failed and why. No credentials are in it, and no words of the server about them.
pub(super) async fn open(config: &SmtpConfig, tls: Option<&Tls>, end: Until) -> Result<Session, String> {
    let limits = &config.deadlines;
    let tcp = step("connect", end.and_after(limits.connect), async {
        let tcp = TcpStream::connect((config.host.as_str(), config.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    })
    .await
    .map_err(|fault| format!("{}:{}: {fault}", config.host, config.port))?;
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    if config.tls == TlsMode::Implicit {
        stream = secure(stream, tls, end.and_after(limits.tls)).await?;
    }
    let mut wire = Wire::new(stream);
    let greeting = step("greeting", end.and_after(limits.greeting), wire.reply()).await.map_err(say)?;
    accept("greeting", &greeting)?;
    let mut extensions = greet(&mut wire, config, end).await?;
    if config.tls == TlsMode::StartTls {
        if !extensions.starttls {
            return Err("STARTTLS: not offered by the server, and required".to_owned());
        }
        let reply = step("STARTTLS", end.and_after(limits.command), wire.command("STARTTLS")).await.map_err(say)?;
        accept("STARTTLS", &reply)?;
        // Anything after the reply came in clear text and must not be taken for the server's word.
        if !wire.is_in_step() {
            return Err("STARTTLS: more than a reply came before TLS".to_owned());
        }
        wire = Wire::new(secure(wire.into_stream(), tls, end.and_after(limits.tls)).await?);
        extensions = greet(&mut wire, config, end).await?;
    }
    if let Some(credentials) = &config.credentials {
        authenticate(&mut wire, extensions, credentials, config, end).await?;
    }
    Ok(Session { wire, extensions, messages: 0, clean_at: Instant::now(), needs_reset: false })
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn say(fault: Fault) -> String {
    fault.to_string()
}

fn accept(step: &str, reply: &Reply) -> Result<(), String> {
    if reply.is_yes() { Ok(()) } else { Err(format!("{step}: {}", reply.text())) }
}

async fn greet(wire: &mut Wire, config: &SmtpConfig, end: Until) -> Result<Extensions, String> {
    let line = format!("EHLO {}", config.helo_name);
    let reply = step("EHLO", end.and_after(config.deadlines.command), wire.command(&line)).await.map_err(say)?;
    accept("EHLO", &reply)?;
    Ok(Extensions::of(&reply))
}

async fn secure(stream: Box<dyn Stream>, tls: Option<&Tls>, until: Until) -> Result<Box<dyn Stream>, String> {
    let Tls { connector, server_name } = tls.expect("TLS is prepared whenever the mode asks for it").clone();
    let secured = step("TLS", until, async {
        connector.connect(server_name, stream).await.map_err(|error| Broken::Lost(error.to_string()))
    });
    Ok(Box::new(secured.await.map_err(say)?))
}

async fn authenticate(
    wire: &mut Wire,
    extensions: Extensions,
    credentials: &Credentials,
    config: &SmtpConfig,
    end: Until,
) -> Result<(), String> {
    let Credentials { user, password } = credentials;
    let (first, answers) = if extensions.auth_plain {
        (format!("AUTH PLAIN {}", BASE64.encode(format!("\0{user}\0{password}"))), vec![])
    } else if extensions.auth_login {
        ("AUTH LOGIN".to_owned(), vec![BASE64.encode(user), BASE64.encode(password)])
    } else {
        return Err("AUTH: the server offers neither PLAIN nor LOGIN".to_owned());
    };
    let rounds = answers.len();
    for (round, line) in std::iter::once(first).chain(answers).enumerate() {
        let until = end.and_after(config.deadlines.command);
        let reply = step("AUTH", until, wire.command(&line)).await.map_err(say)?;
        let is_expected = if round == rounds { reply.is_yes() } else { reply.code == 334 };
        if !is_expected {
            // The server's words are left out: some repeat what they were given.
            return Err(format!("AUTH: refused with {}", reply.code));
        }
    }
    Ok(())
}

/// Prepares TLS with the system's certificates and `config.extra_ca_pem`; `None` when no TLS is wanted.
pub(super) fn prepare_tls(config: &SmtpConfig) -> Result<Option<Tls>, super::SmtpConfigError> {
    use super::SmtpConfigError as Wrong;
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

    if config.tls == TlsMode::None {
        return Ok(None);
    }
    let server_name = ServerName::try_from(config.host.clone()).map_err(|_| Wrong::Host(config.host.clone()))?;
    let mut roots = RootCertStore::empty();
    // A system without certificates, or with a broken one among them, is no fault as long as something is trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = &config.extra_ca_pem {
        let certificates = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Wrong::Certificates(error.to_string()))?;
        if certificates.is_empty() {
            return Err(Wrong::Certificates("no certificate in it".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| Wrong::Certificates(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        return Err(Wrong::NothingTrusted);
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(Tls { connector: TlsConnector::from(Arc::new(client)), server_name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_from_every_line_but_the_first() {
        let lines = ["STARTTLS.example", "size 1000", "AUTH LOGIN plain", "8BITMIME", "", "X"].map(String::from);
        let extensions = Extensions::of(&Reply { code: 250, lines: lines.to_vec() });
        let expected =
            Extensions { size: true, auth_login: true, auth_plain: true, eight_bit: true, ..Extensions::default() };
        assert_eq!(extensions, expected);
    }
}
