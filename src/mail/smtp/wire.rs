//! The line to the server: bytes out, complete replies in, each step until its deadline.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Bytes of one line of a reply; the standard says 512.
const REPLY_LINE_BYTES_MAX: usize = 2048;

/// Lines of one reply.
const REPLY_LINES_MAX: usize = 100;

/// Characters of a reply that are kept for people to read.
const REPLY_TEXT_CHARS_MAX: usize = 500;

/// Bytes that are asked for at once.
const READ_BYTES: usize = 4096;

/// A stream of bytes to a server, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// When a step must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    at: Instant,
    allowed: Duration,
}

impl Until {
    /// From now, for `allowed`.
    pub(super) fn after(allowed: Duration) -> Self {
        Self { at: Instant::now() + allowed, allowed }
    }

    /// The earlier of `allowed` from now and the end of `self`.
    pub(super) fn and_after(self, allowed: Duration) -> Self {
        let step = Self::after(allowed);
        if step.at < self.at { step } else { self }
    }
}

/// Why a step brought no usable reply; names the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection ended.
    Broken { step: &'static str, cause: String },
    /// Nothing complete came in time.
    TooSlow { step: &'static str, allowed: Duration },
    /// What came is no SMTP.
    Garbage { step: &'static str, what: &'static str },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { step, cause } => write!(f, "{step}: connection lost: {cause}"),
            Self::TooSlow { step, allowed } => write!(f, "{step}: not over within {} ms", allowed.as_millis()),
            Self::Garbage { step, what } => write!(f, "{step}: not SMTP: {what}"),
        }
    }
}

/// Runs one step until its deadline, as a whole.
pub(super) async fn step<T>(
    step: &'static str,
    until: Until,
    work: impl Future<Output = Result<T, Broken>> + Send,
) -> Result<T, Fault> {
    match tokio::time::timeout_at(until.at, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Broken::Lost(cause))) => Err(Fault::Broken { step, cause }),
        Ok(Err(Broken::Garbage(what))) => Err(Fault::Garbage { step, what }),
        Err(_) => Err(Fault::TooSlow { step, allowed: until.allowed }),
    }
}

/// What went wrong, before it is known in which step.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended, or could not be made.
    Lost(String),
    /// What came is no SMTP.
    Garbage(&'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Three digits.
    pub(super) code: u16,
    /// The text of each line.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// 2xx.
    pub(super) fn is_yes(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3xx.
    pub(super) fn is_go_on(&self) -> bool {
        self.code / 100 == 3
    }

    /// Code and text on one line, cut, without control characters.
    pub(super) fn text(&self) -> String {
        let text = format!("{} {}", self.code, self.lines.join(" "));
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REPLY_TEXT_CHARS_MAX);
        plain.collect::<String>().trim_end().to_owned()
    }
}

/// A connection's bytes.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// True when nothing that the server sent is left over: whatever is, cannot be the reply to what comes next.
    pub(super) fn is_in_step(&self) -> bool {
        self.unread.is_empty()
    }

    /// The stream itself, to put TLS around it.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Writes everything and flushes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Writes a command line (without its CRLF) and reads the reply.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, Broken> {
        if !self.is_in_step() {
            return Err(Broken::Garbage("an answer that nobody asked for"));
        }
        let mut bytes = Vec::with_capacity(line.len() + 2);
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        self.write(&bytes).await?;
        self.reply().await
    }

    /// Reads one complete reply.
    pub(super) async fn reply(&mut self) -> Result<Reply, Broken> {
        let mut code = None;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            let (line_code, is_last, text) = parse_line(&line)?;
            if *code.get_or_insert(line_code) != line_code {
                return Err(Broken::Garbage("two codes in one reply"));
            }
            lines.push(text);
            if is_last {
                return Ok(Reply { code: line_code, lines });
            }
            if lines.len() >= REPLY_LINES_MAX {
                return Err(Broken::Garbage("a reply of too many lines"));
            }
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                if end > REPLY_LINE_BYTES_MAX {
                    return Err(Broken::Garbage("a line that is too long"));
                }
                let mut line: Vec<u8> = self.unread.drain(..=end).collect();
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.unread.len() > REPLY_LINE_BYTES_MAX {
                return Err(Broken::Garbage("a line that is too long"));
            }
            let mut chunk = [0; READ_BYTES];
            match self.stream.read(&mut chunk).await? {
                0 => return Err(Broken::Lost("closed by the server".to_owned())),
                n => self.unread.extend_from_slice(&chunk[..n]),
            }
        }
    }
}

/// Code, whether it is the last line, text.
fn parse_line(line: &[u8]) -> Result<(u16, bool, String), Broken> {
    const GARBAGE: Broken = Broken::Garbage("a line without a reply code");
    let (digits, rest) = line.split_at_checked(3).ok_or(GARBAGE)?;
    let [first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = *digits else { return Err(GARBAGE) };
    let code = u16::from(first - b'0') * 100 + u16::from(second - b'0') * 10 + u16::from(third - b'0');
    let is_last = match rest.first() {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return Err(GARBAGE),
    };
    Ok((code, is_last, String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &'static [u8]) -> Result<Reply, Broken> {
        let (server, client) = tokio::io::duplex(1 << 16);
        let mut server = server;
        server.write_all(bytes).await.expect("fits");
        drop(server);
        Wire::new(Box::new(client)).reply().await
    }

    #[tokio::test]
    async fn a_reply_is_read_whole() {
        let reply = read(b"250-one\r\n250-\r\n250 two\x07\r\n").await.expect("complete");
        assert_eq!((reply.code, reply.lines.len()), (250, 3));
        assert_eq!(reply.text(), "250 one  two");
        assert_eq!(read(b"354\n").await.expect("bare code, bare LF").text(), "354");
    }

    #[tokio::test]
    async fn what_is_no_reply_is_garbage() {
        let long: &'static [u8] = Box::leak(vec![b'2'; 5000].into_boxed_slice());
        let many: &'static [u8] = Box::leak(b"250-x\r\n".repeat(200).into_boxed_slice());
        for bytes in [
            b"\r\n" as &[u8],
            b"25\r\n",
            b"250_x\r\n",
            b"650 x\r\n",
            b"HTTP/1.1 400\r\n",
            b"250-a\r\n251 b\r\n",
            long,
            many,
        ] {
            assert!(matches!(read(bytes).await, Err(Broken::Garbage(_))), "{:?}", &bytes[..bytes.len().min(20)]);
        }
        assert!(matches!(read(b"250-a\r\n250").await, Err(Broken::Lost(_))), "an unfinished reply is none");
    }
}
