//! Messages from the outbox to a local SMTP sink, beside the SMTP side alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use andon::mail::{Delivery, Mailer as _, Outgoing, SmtpConfig, SmtpMailer, TlsMode};
use lettre::{
    address::Envelope,
    transport::smtp::{client::AsyncSmtpConnection, extension::ClientId},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    Fault, Options,
    stand::Stand,
    stats::{Rounds, head, verdict},
};

const MESSAGES: usize = 2_000;

/// Takes everything, keeps nothing, counts.
struct Sink {
    port: u16,
    taken: Arc<AtomicUsize>,
}

impl Sink {
    async fn start() -> Result<Self, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { port, taken })
    }

    /// When the `wanted`-th message has been taken; counted from the first one after the call.
    async fn rate(&self, wanted: usize) -> Result<f64, Fault> {
        let asked = Instant::now();
        let mut first = None;
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            if taken > 0 && first.is_none() {
                first = Some((Instant::now(), taken));
            }
            if let Some((began, before)) = first.filter(|_| taken >= wanted) {
                #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
                let count = (taken - before) as f64;
                return Ok(count / began.elapsed().as_secs_f64());
            }
            if asked.elapsed() > Duration::from_mins(2) {
                return Err(format!("only {taken} messages came within two minutes").into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn talk(stream: TcpStream, taken: Arc<AtomicUsize>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    writer.write_all(b"220 sink\r\n").await?;
    let mut line = Vec::new();
    let mut body = false;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let reply: &[u8] = if body {
            if line != b".\r\n" {
                continue;
            }
            body = false;
            taken.fetch_add(1, Ordering::Relaxed);
            b"250 taken\r\n"
        } else if line.starts_with(b"EHLO") {
            b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
        } else if line.starts_with(b"DATA") {
            body = true;
            b"354 go on\r\n"
        } else if line.starts_with(b"QUIT") {
            writer.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else {
            b"250 ok\r\n"
        };
        writer.write_all(reply).await?;
    }
}

async fn queue(stand: &Stand) -> Result<(), Fault> {
    sqlx::raw_sql("TRUNCATE outbox").execute(&stand.pool).await?;
    sqlx::query(
        "INSERT INTO outbox (id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence,
             facts, next_attempt_at, created_at)
         SELECT gen_random_uuid(), 'bench/' || gen_random_uuid(), 'ADVANCED', 'u1', 'Worker 1', 'worker' || o.n || '@plant.example', o.id, o.number,
             1, json_build_object('Advanced', json_build_object('order', json_build_object('order_id', o.id, 'number', o.number,
                 'title', o.title, 'order_type_name', 'Welded parts', 'status_name', o.status_name,
                 'status_definition', 'Work of this step is going on', 'entered_on', o.entered_on, 'due_on', o.due_on,
                 'due_at', o.due_at, 'zone', 'UTC', 'days_late', 0, 'assignee', 'Worker 1', 'department', 'Department 1',
                 'customer_reference', o.customer_reference, 'last_note', NULL, 'reason', 'Notified'),
                 'from_status', 'Step 1', 'by', 'bench', 'note', NULL)), now(), now()
         -- One for each person: more for one of them would be gathered by the storm brake.
         FROM (SELECT *, row_number() OVER () AS n FROM orders LIMIT $1) o",
    )
    .bind(i64::try_from(MESSAGES)?)
    .execute(&stand.pool)
    .await?;
    Ok(())
}

/// Through the daemon: messages per second, and the bytes of one of them.
async fn through_andon(stand: &Stand, connections: u32) -> Result<(f64, Outgoing), Fault> {
    queue(stand).await?;
    let sink = Sink::start().await?;
    let daemon = stand
        .daemon(&[
            ("mail__port", sink.port.to_string()),
            ("mail__connections", connections.to_string()),
            ("database__delivery_pool_max", (connections + 1).to_string()),
        ])
        .await?;
    let rate = sink.rate(MESSAGES).await?;
    daemon.stop()?;
    let (to, message): (String, Vec<u8>) =
        sqlx::query_as("SELECT address, message FROM deliveries WHERE state = 'SENT' AND message IS NOT NULL ORDER BY settled_at DESC LIMIT 1")
            .fetch_one(&stand.pool)
            .await?;
    Ok((rate, Outgoing { from: "andon@localhost".into(), to, message }))
}

/// How many messages a sink took per second while `senders` ran.
async fn rate_of(sink: &Sink, seconds: u64, senders: Vec<tokio::task::JoinHandle<()>>) -> f64 {
    let before = sink.taken.load(Ordering::Relaxed);
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
    let count = (sink.taken.load(Ordering::Relaxed) - before) as f64;
    let rate = count / began.elapsed().as_secs_f64();
    for sender in senders {
        sender.abort();
    }
    rate
}

/// andon's own SMTP side alone.
async fn lanes_alone(outgoing: &Outgoing, connections: u32, seconds: u64) -> Result<f64, Fault> {
    let sink = Sink::start().await?;
    let mailer = SmtpMailer::new(SmtpConfig {
        host: "127.0.0.1".into(),
        port: sink.port,
        tls: TlsMode::None,
        ..SmtpConfig::default()
    })?;
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (mut lane, outgoing) = (mailer.lane(), outgoing.clone());
        senders.push(tokio::spawn(async move { while matches!(lane.send(&outgoing).await, Delivery::Sent { .. }) {} }));
    }
    Ok(rate_of(&sink, seconds, senders).await)
}

/// lettre alone, one connection per task. It does not set `TCP_NODELAY` and writes body and dot apart, so that each message
/// waits for a delayed acknowledgement: about 40 ms.
async fn lettre_alone(outgoing: &Outgoing, connections: u32, seconds: u64) -> Result<f64, Fault> {
    let sink = Sink::start().await?;
    let envelope = Envelope::new(Some(outgoing.from.parse()?), vec![outgoing.to.parse()?])?;
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (envelope, message) = (envelope.clone(), outgoing.message.clone());
        let name = ClientId::Domain("localhost".into());
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            ("127.0.0.1", sink.port),
            Some(Duration::from_secs(5)),
            &name,
            None,
            None,
        )
        .await?;
        senders.push(tokio::spawn(async move { while connection.send(&envelope, &message).await.is_ok() {} }));
    }
    Ok(rate_of(&sink, seconds, senders).await)
}

/// Measures and prints.
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    head(&format!(
        "Mail: {MESSAGES} messages from the outbox to a sink in the bench process that takes everything at once"
    ));
    for connections in [2, 8] {
        let (mut andon, mut lanes, mut lettre) = (Rounds::default(), Rounds::default(), Rounds::default());
        let mut size = 0;
        for _ in 0..options.rounds {
            let (rate, outgoing) = through_andon(stand, connections).await?;
            andon.add(rate);
            size = outgoing.message.len();
            lanes.add(lanes_alone(&outgoing, connections, options.seconds).await?);
            lettre.add(lettre_alone(&outgoing, connections, options.seconds).await?);
        }
        andon.line(&format!("outbox to sink, {connections} connections, {size} bytes each"), "mails/s");
        lanes.line("    andon's SMTP lanes alone, the same bytes", "mails/s");
        lettre.line("    lettre alone, the same bytes (it leaves TCP_NODELAY off)", "mails/s");
        verdict(
            "outbox beside the faster of the two alone",
            andon.median() / lanes.median().max(lettre.median()),
            ">=",
            0.4,
            " x",
        );
    }
    println!("  Postfix's smtp-source is not part of the run: it is not assumed to be installed");
    Ok(())
}
