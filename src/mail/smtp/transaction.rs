//! A transaction: one message for one recipient, from MAIL to the reply after the final dot.

use tokio::time::Instant;

use super::super::{Delivery, Outgoing};
use super::config::Deadlines;
use super::session::Session;
use super::wire::{Fault, Reply, Until, step};

/// Bytes of an address in an envelope.
const ADDRESS_BYTES_MAX: usize = 320;

/// Codes that speak of authentication or encryption whenever they come (RFC 4954, RFC 3207): the transport's fault.
const TRANSPORT_CODES: [u16; 4] = [530, 534, 535, 538];

/// The server closes the connection after this code.
pub(super) const CLOSING: u16 = 421;

/// How a transaction ended.
pub(super) struct Ended {
    pub(super) delivery: Delivery,
    /// The session can serve the next message (perhaps after RSET).
    pub(super) is_clean: bool,
}

impl Ended {
    fn in_doubt(delivery: Delivery) -> Self {
        Self { delivery, is_clean: false }
    }
}

/// Why an envelope cannot be offered to any server; `None` when it can.
pub(super) fn envelope_fault(outgoing: &Outgoing) -> Option<String> {
    let is_plausible = |address: &str| {
        address.len() <= ADDRESS_BYTES_MAX
            && address.contains('@')
            && !address.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>'))
    };
    if !is_plausible(&outgoing.to) {
        return Some(format!("not offered: the recipient is not an address: {:?}", outgoing.to));
    }
    // An empty sender is the null return path.
    if !outgoing.from.is_empty() && !is_plausible(&outgoing.from) {
        return Some(format!("not offered: the sender is not an address: {:?}", outgoing.from));
    }
    None
}

/// MAIL until its reply.
pub(super) async fn mail(session: &mut Session, outgoing: &Outgoing, until: Until) -> Result<Reply, Fault> {
    let mut line = format!("MAIL FROM:<{}>", outgoing.from);
    let extensions = session.extensions;
    if extensions.size {
        line.push_str(" SIZE=");
        line.push_str(&outgoing.message.len().to_string());
    }
    if extensions.eight_bit && !outgoing.message.is_ascii() {
        line.push_str(" BODY=8BITMIME");
    }
    if needs_utf8(outgoing) {
        line.push_str(" SMTPUTF8");
    }
    session.messages += 1;
    step("MAIL", until, session.wire.command(&line)).await
}

/// True when an address is not ASCII.
pub(super) fn needs_utf8(outgoing: &Outgoing) -> bool {
    !outgoing.from.is_ascii() || !outgoing.to.is_ascii()
}

/// Everything after MAIL was answered.
pub(super) async fn go_on(
    session: &mut Session,
    outgoing: &Outgoing,
    mail_reply: Result<Reply, Fault>,
    limits: &Deadlines,
) -> Ended {
    if let Some(ended) = unless(Reply::is_yes, "MAIL", mail_reply, session) {
        return ended;
    }
    let line = format!("RCPT TO:<{}>", outgoing.to);
    let reply = step("RCPT", Until::after(limits.command), session.wire.command(&line)).await;
    if let Some(ended) = unless(Reply::is_yes, "RCPT", reply, session) {
        return ended;
    }
    let reply = step("DATA", Until::after(limits.data), session.wire.command("DATA")).await;
    if let Some(ended) = unless(Reply::is_go_on, "DATA", reply, session) {
        return ended;
    }
    let until = Until::after(limits.body);
    let body = on_the_wire(&outgoing.message);
    if let Err(fault) = step("body", until, session.wire.write(&body)).await {
        // A server that has had enough says so before it closes: its word decides whether trying again has a point.
        let reply = match fault {
            Fault::Broken { .. } => step("body", until, session.wire.reply()).await.ok(),
            Fault::TooSlow { .. } | Fault::Garbage { .. } => None,
        };
        let delivery = reply.and_then(|reply| refusal(&reply));
        return Ended::in_doubt(delivery.unwrap_or_else(|| Delivery::NotSent { reason: fault.to_string() }));
    }
    finish(session, limits).await
}

/// Writes the final dot and reads the reply. From here on, whatever is not a complete reply is uncertain.
async fn finish(session: &mut Session, limits: &Deadlines) -> Ended {
    let reply = step("final dot", Until::after(limits.reply), async {
        session.wire.write(b".\r\n").await?;
        session.wire.reply().await
    })
    .await;
    match reply {
        Ok(reply) if reply.is_yes() => {
            session.clean_at = Instant::now();
            Ended { delivery: Delivery::Sent { reply: reply.text() }, is_clean: session.wire.is_in_step() }
        }
        Ok(reply) => match refused(&reply, session) {
            Some(ended) => ended,
            None => {
                Ended::in_doubt(Delivery::Uncertain { reason: format!("final dot: unexpected reply {}", reply.text()) })
            }
        },
        Err(fault) => Ended::in_doubt(Delivery::Uncertain { reason: fault.to_string() }),
    }
}

/// `None` when the reply is what the step wants; otherwise how the transaction ends there, before the dot.
fn unless(
    is_wanted: fn(&Reply) -> bool,
    step: &'static str,
    reply: Result<Reply, Fault>,
    session: &mut Session,
) -> Option<Ended> {
    match reply {
        Ok(reply) if is_wanted(&reply) => None,
        Ok(reply) => Some(refused(&reply, session).unwrap_or_else(|| {
            Ended::in_doubt(Delivery::NotSent { reason: format!("{step}: unexpected reply {}", reply.text()) })
        })),
        Err(fault) => Some(Ended::in_doubt(Delivery::NotSent { reason: fault.to_string() })),
    }
}

/// How a refusal ends the transaction; `None` when the reply is no refusal.
fn refused(reply: &Reply, session: &mut Session) -> Option<Ended> {
    let delivery = refusal(reply)?;
    let is_clean =
        reply.code != CLOSING && !matches!(delivery, Delivery::TransportDown { .. }) && session.wire.is_in_step();
    session.needs_reset = true;
    session.clean_at = Instant::now();
    Some(Ended { delivery, is_clean })
}

fn refusal(reply: &Reply) -> Option<Delivery> {
    let text = reply.text();
    match reply.code {
        code if TRANSPORT_CODES.contains(&code) => Some(Delivery::TransportDown { reason: text }),
        400..=499 => Some(Delivery::RefusedForNow { reply: text }),
        500..=599 => Some(Delivery::RefusedForGood { reply: text }),
        _ => None,
    }
}

/// The message as DATA wants it: every line ends in CRLF, a dot that begins a line is doubled, the last line is ended.
fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + message.len() / 32 + 2);
    let mut at_line_start = true;
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' && bytes.peek() == Some(&b'\n') {
                    bytes.next();
                }
                wire.extend_from_slice(b"\r\n");
                at_line_start = true;
            }
            _ => {
                if byte == b'.' && at_line_start {
                    wire.push(b'.');
                }
                wire.push(byte);
                at_line_start = false;
            }
        }
    }
    if !at_line_start {
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_crlf_and_leading_dots_are_doubled() {
        for (message, wire) in [
            ("", ""),
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            ("a\nb\rc\r\nd\r\r\n", "a\r\nb\r\nc\r\nd\r\n\r\n"),
            (".", "..\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n"),
            ("a\r.\r\n..b.c\n", "a\r\n..\r\n...b.c\r\n"),
        ] {
            assert_eq!(on_the_wire(message.as_bytes()), wire.as_bytes(), "{message:?}");
        }
    }

    #[test]
    fn an_address_cannot_carry_a_command() {
        let fault = |from: &str, to: &str| {
            envelope_fault(&Outgoing { from: from.into(), to: to.into(), message: Vec::new() }).is_some()
        };
        assert!(!fault("a@example.com", "b@example.com"));
        assert!(!fault("", "b@example.com"), "the null sender is one");
        for bad in ["b", "b@example.com\r\nRSET", "b@example.com>", "<b@example.com", "b c@example.com", "b@\0", ""] {
            assert!(fault("a@example.com", bad), "{bad:?}");
        }
        assert!(fault("a@example.com\nDATA", "b@example.com"));
        assert!(fault("", &format!("{}@example.com", "x".repeat(ADDRESS_BYTES_MAX))));
    }
}
