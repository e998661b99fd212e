//! A mail server for trying things out: whatever it gets becomes a file.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::mail::{Delivery, FolderMailer, Mailer, Outgoing};

/// Bytes of one line, as the standard allows for text, with room to spare.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of one message.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Recipients of one message.
const RECIPIENTS_MAX: usize = 100;
/// Conversations at the same time.
const CONNECTIONS_MAX: usize = 100;
/// How long a caller may say nothing.
const SILENCE_MAX: Duration = Duration::from_mins(5);

/// Catches mail on `listen` (plain text, no authentication) until the future is dropped: every message becomes an
/// `.eml` file in `folder` and a line on standard output.
///
/// # Errors
///
/// When the address cannot be listened on, or no connection can be accepted any more.
pub async fn catch_mail(listen: SocketAddr, folder: PathBuf) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("catching mail on {} into {}", listener.local_addr()?, folder.display());
    catch(listener, &folder, |line| println!("{line}")).await
}

async fn catch(listener: TcpListener, folder: &Path, tell: fn(&str)) -> io::Result<()> {
    let mut talks = JoinSet::new();
    loop {
        while talks.len() >= CONNECTIONS_MAX {
            talks.join_next().await;
        }
        let (caller, _) = listener.accept().await?;
        let folder = folder.to_path_buf();
        talks.spawn(async move {
            // A caller that hangs up half-way has only itself to blame.
            drop(serve(caller, folder, tell).await);
        });
        while talks.try_join_next().is_some() {}
    }
}

async fn serve(caller: TcpStream, folder: PathBuf, tell: fn(&str)) -> io::Result<()> {
    let mut caller = BufReader::new(caller);
    let (mut from, mut to) = (None, Vec::new());
    say(&mut caller, "220 andon catches mail").await?;
    loop {
        let line = String::from_utf8_lossy(&read_line(&mut caller).await?).trim().to_owned();
        let verb = line.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-andon\r\n250-8BITMIME\r\n250 SMTPUTF8",
            "HELO" | "NOOP" => "250 ok",
            "RSET" => {
                (from, to) = (None, Vec::new());
                "250 ok"
            }
            "MAIL" => {
                (from, to) = (Some(address(&line)), Vec::new());
                "250 ok"
            }
            "RCPT" if from.is_none() => "503 MAIL comes first",
            "RCPT" if to.len() >= RECIPIENTS_MAX => "452 too many recipients",
            "RCPT" => {
                to.push(address(&line));
                "250 ok"
            }
            "DATA" if to.is_empty() => "503 RCPT comes first",
            "DATA" => {
                say(&mut caller, "354 go on, end with a dot").await?;
                let message = read_message(&mut caller).await?;
                let outgoing = Outgoing { from: from.take().unwrap_or_default(), to: to.join(", "), message };
                to.clear();
                keep(&folder, &outgoing, tell).await
            }
            "QUIT" => return say(&mut caller, "221 bye").await,
            _ => "500 not known here",
        };
        say(&mut caller, reply).await?;
    }
}

async fn keep(folder: &Path, outgoing: &Outgoing, tell: fn(&str)) -> &'static str {
    let delivery = FolderMailer::new(folder.to_path_buf()).lane().send(outgoing).await;
    match delivery {
        Delivery::Sent { .. } => {
            tell(&printable(&format!("{}  {}", outgoing.to, subject(&outgoing.message))));
            "250 kept"
        }
        failed => {
            tell(&format!("not kept: {failed:?}"));
            "451 could not be kept"
        }
    }
}

async fn say(caller: &mut BufReader<TcpStream>, reply: &str) -> io::Result<()> {
    caller.write_all(format!("{reply}\r\n").as_bytes()).await
}

/// One line with its end.
async fn read_line(caller: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = caller.take(LINE_BYTES_MAX);
    let read = tokio::time::timeout(SILENCE_MAX, limited.read_until(b'\n', &mut line));
    read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if line.last() == Some(&b'\n') { Ok(line) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn read_message(caller: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let line = read_line(caller).await?;
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The decoded Subject; empty when there is none.
fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut found: Option<String> = None;
    for line in text.lines().take_while(|line| !line.is_empty()) {
        match &mut found {
            // A folded line continues the header.
            Some(subject) if line.starts_with([' ', '\t']) => subject.push_str(line),
            Some(_) => break,
            None => {
                let split = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("subject"));
                found = split.map(|(_, value)| value.trim().to_owned());
            }
        }
    }
    decode_words(&found.unwrap_or_default())
}

/// Decodes the encoded words of RFC 2047 (UTF-8 only, as andon writes them); the rest stays as it is.
fn decode_words(text: &str) -> String {
    let mut decoded = String::new();
    let mut bytes = Vec::new();
    let mut was_encoded = false;
    for word in text.split_ascii_whitespace() {
        if let Some(part) = decode_word(word) {
            // White space between two encoded words is not part of the text, and a character may be split over both.
            if !was_encoded && !decoded.is_empty() {
                decoded.push(' ');
            }
            bytes.extend(part);
            was_encoded = true;
        } else {
            decoded.push_str(&String::from_utf8_lossy(&std::mem::take(&mut bytes)));
            if !decoded.is_empty() {
                decoded.push(' ');
            }
            decoded.push_str(word);
            was_encoded = false;
        }
    }
    decoded.push_str(&String::from_utf8_lossy(&bytes));
    decoded
}

fn decode_word(word: &str) -> Option<Vec<u8>> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "b" | "B" => BASE64.decode(text).ok(),
        "q" | "Q" => decode_q(text),
        _ => None,
    }
}

fn decode_q(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'_' => b' ',
            b'=' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{SmtpConfig, SmtpMailer, TlsMode};

    #[test]
    fn subjects_are_decoded() {
        for (head, expected) in [
            ("Subject: plain text", "plain text"),
            ("To: a\r\nSUBJECT: a =?utf-8?b?SsO2cmc=?= b", "a Jörg b"),
            ("Subject: =?UTF-8?Q?J=C3=B6rg_Gro=C3?=\r\n =?utf-8?Q?=9F?= x\r\nTo: b", "Jörg Groß x"),
            ("Subject: =?latin1?Q?x?= =?utf-8?Q?=Z?=", "=?latin1?Q?x?= =?utf-8?Q?=Z?="),
            ("To: a", ""),
        ] {
            assert_eq!(subject(format!("{head}\r\n\r\nSubject: body\r\n").as_bytes()), expected);
        }
    }

    #[tokio::test]
    async fn what_is_sent_becomes_a_file() {
        let folder = std::env::temp_dir().join(format!("andon-catch-{}", uuid::Uuid::new_v4()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let caught = folder.clone();
        let catching = tokio::spawn(async move { catch(listener, &caught, |_| ()).await });
        let config = SmtpConfig { host: "127.0.0.1".into(), port, tls: TlsMode::None, ..SmtpConfig::default() };
        let mut lane = SmtpMailer::new(config).expect("usable").lane();
        let message = b"Subject: x\r\n\r\n.dot\r\n".to_vec();
        for to in ["a@example.com", "b@example.com"] {
            let outgoing = Outgoing { from: String::new(), to: to.into(), message: message.clone() };
            assert_eq!(lane.send(&outgoing).await, Delivery::Sent { reply: "250 kept".into() });
        }
        lane.close().await;
        let files: Vec<_> = std::fs::read_dir(&folder).expect("made").map(|entry| entry.expect("readable")).collect();
        assert_eq!(files.len(), 2);
        assert_eq!(std::fs::read(files[0].path()).expect("there"), message);
        catching.abort();
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
