//! One SMTP conversation against a server that misbehaves at every command in every way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use andon::mail::{Credentials, Deadlines, Delivery, MailLane, Mailer, Outgoing, SmtpConfig, SmtpMailer, TlsMode};

use tokio::sync::Semaphore;

use crate::support::smtp::{Command, Fault, SinkOptions, SinkTls, SmtpSink, What};

/// A step's deadline in these tests; what is late is late by far, what is in time is in time by far.
const STEP: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_millis(40);
/// After every deadline of a step, that of the handshake too.
const TOO_LATE: Duration = Duration::from_millis(2500);
const ACCOUNT: (&str, &str) = ("lamp", "s3cret-pass");

fn config(sink: &SmtpSink) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".into(),
        port: sink.address().port(),
        tls: TlsMode::None,
        helo_name: "andon.test".into(),
        deadlines: Deadlines {
            connect: STEP,
            tls: 4 * STEP,
            greeting: STEP,
            opening: 10 * STEP,
            command: STEP,
            data: STEP,
            body: STEP,
            reply: STEP,
            quit: STEP,
        },
        ..SmtpConfig::default()
    }
}

fn lane(config: SmtpConfig) -> Box<dyn MailLane> {
    SmtpMailer::new(config).expect("a usable configuration").lane()
}

fn to(recipient: &str) -> Outgoing {
    Outgoing {
        from: "andon@example.com".into(),
        to: recipient.into(),
        message: b"Subject: x\r\n\r\n.dot\nlast".to_vec(),
    }
}

fn kind(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Sent { .. } => "Sent",
        Delivery::RefusedForNow { .. } => "RefusedForNow",
        Delivery::RefusedForGood { .. } => "RefusedForGood",
        Delivery::NotSent { .. } => "NotSent",
        Delivery::Uncertain { .. } => "Uncertain",
        Delivery::TransportDown { .. } => "TransportDown",
    }
}

fn every_way() -> [What; 8] {
    let (late, too_late) = (What::Late(LATE), What::Late(TOO_LATE));
    [What::Reply4xx, What::Reply5xx, What::Drop, What::Silence, What::Garbage, What::Trickle, late, too_late]
}

/// The documented outcome, and whether the connection serves the next message.
fn expected(at: Command, what: &What) -> (&'static str, bool) {
    let opening = !matches!(at, Command::Mail | Command::Rcpt | Command::Data | Command::Dot);
    match what {
        What::Late(after) if *after == LATE => ("Sent", true),
        _ if opening => ("TransportDown", false),
        What::Reply4xx => ("RefusedForNow", true),
        What::Reply5xx => ("RefusedForGood", true),
        _ if at == Command::Dot => ("Uncertain", false),
        _ => ("NotSent", false),
    }
}

/// Every point of the conversation in which TLS is asked for within it, and the login is PLAIN.
const WITH_STARTTLS: [Command; 10] = {
    use Command::{Auth, Data, Dot, Ehlo, EhloSecured, Greeting, Mail, Rcpt, StartTls, Tls};
    [Greeting, Ehlo, StartTls, Tls, EhloSecured, Auth, Mail, Rcpt, Data, Dot]
};
/// Those that are there, or different, when TLS comes first and the login is LOGIN.
const WITH_IMPLICIT_TLS: [Command; 6] = {
    use Command::{Auth, AuthPassword, AuthUser, EhloSecured, Greeting, Tls};
    [Tls, Greeting, EhloSecured, AuthUser, AuthPassword, Auth]
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_in_every_way_ends_in_the_documented_outcome() {
    // Not more at once than a small machine can serve well within a step's deadline.
    let room = Arc::new(Semaphore::new(12));
    let mut cases = tokio::task::JoinSet::new();
    for what in every_way() {
        let with_starttls = WITH_STARTTLS.map(|at| (at, SinkTls::StartTls));
        for (at, sink_tls) in with_starttls.into_iter().chain(WITH_IMPLICIT_TLS.map(|at| (at, SinkTls::Implicit))) {
            let (room, what) = (Arc::clone(&room), what.clone());
            cases.spawn(async move {
                let _place = room.acquire().await;
                one_fault(at, what, sink_tls).await;
            });
        }
    }
    while let Some(case) = cases.join_next().await {
        case.expect("the case holds");
    }
}

async fn one_fault(at: Command, what: What, sink_tls: SinkTls) {
    let (tls, mechanisms) = match sink_tls {
        SinkTls::Implicit => (TlsMode::Implicit, "LOGIN"),
        SinkTls::StartTls | SinkTls::None => (TlsMode::StartTls, "PLAIN LOGIN"),
    };
    let options = SinkOptions { tls: sink_tls, mechanisms, credentials: ACCOUNT, ..SinkOptions::default() };
    let sink = SmtpSink::start_with(options).await;
    let config = SmtpConfig {
        host: "localhost".into(),
        tls,
        credentials: Some(Credentials { user: ACCOUNT.0.into(), password: ACCOUNT.1.into() }),
        extra_ca_pem: Some(sink.ca_pem().as_bytes().to_vec()),
        ..config(&sink)
    };
    let total = config.deadlines.total();
    let mut lane = lane(config);
    let case = format!("{at:?} {what:?} {sink_tls:?}");
    sink.inject(Fault::once(at, what.clone()));
    let began = Instant::now();
    let first = lane.send(&to("first@example.com")).await;
    assert!(began.elapsed() < total + STEP, "{case}: {:?}", began.elapsed());
    let (outcome, is_reused) = expected(at, &what);
    assert_eq!(kind(&first), outcome, "{case}: {first:?}");
    assert!(!format!("{first:?}").contains(ACCOUNT.1), "{case}: {first:?}");
    let before = sink.connections();
    let second = lane.send(&to("second@example.com")).await;
    assert_eq!(kind(&second), "Sent", "{case}, the next message: {second:?}");
    assert_eq!(sink.connections() == before, is_reused, "{case}: reuse");
    let accepted: Vec<_> = sink.messages().into_iter().filter(|m| m.accepted).map(|m| m.to).collect();
    assert!(accepted.contains(&"second@example.com".to_owned()), "{case}");
    if !matches!(outcome, "Sent" | "Uncertain") {
        assert_eq!(accepted.len(), 1, "{case}: what is not sent has not arrived");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_that_goes_wrong_in_any_way_ends_in_time_and_changes_nothing() {
    for what in every_way() {
        let sink = SmtpSink::start().await;
        let config = config(&sink);
        let limit = config.deadlines.quit + STEP;
        let mut lane = lane(config);
        assert_eq!(kind(&lane.send(&to("a@example.com")).await), "Sent");
        sink.inject(Fault::once(Command::Quit, what.clone()));
        let began = Instant::now();
        lane.close().await;
        assert!(began.elapsed() < limit, "{what:?}: {:?}", began.elapsed());
        assert_eq!(sink.lines().last().map(|(_, line)| line.as_str()), Some("QUIT"), "{what:?}");
        assert_eq!(kind(&lane.send(&to("b@example.com")).await), "Sent", "{what:?}");
        assert_eq!((sink.connections(), sink.messages().len()), (2, 2), "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_take_the_body_in_time_costs_no_second_copy() {
    // More than the sockets' buffers hold.
    let long = Outgoing { message: vec![b'y'; 30_000_000], ..to("a@example.com") };
    for what in [What::DropBeforeDot, What::SlowReader] {
        let sink = SmtpSink::start().await;
        let mut lane = lane(config(&sink));
        sink.inject(Fault::once(Command::Data, what.clone()));
        let began = Instant::now();
        assert_eq!(kind(&lane.send(&long).await), "NotSent", "{what:?}");
        assert!(began.elapsed() < 4 * STEP, "{what:?}: {:?}", began.elapsed());
        assert_eq!(kind(&lane.send(&to("b@example.com")).await), "Sent", "{what:?}");
        assert_eq!((sink.connections(), sink.messages().len()), (2, 1), "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_even_take_the_connection_is_given_up_in_time() {
    // Nobody takes what waits here, and there is room for few.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("bound");
    let mut waiting = Vec::new();
    for _ in 0..50 {
        match tokio::time::timeout(STEP, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(stream)) => waiting.push(stream),
            _ => break,
        }
    }
    assert!(waiting.len() < 50, "the queue has an end");
    let sink = SmtpSink::start().await;
    let mut lane = lane(SmtpConfig { port: address.port(), ..config(&sink) });
    let began = Instant::now();
    let delivery = lane.send(&to("a@example.com")).await;
    let reason = format!("connect: not over within {} ms", STEP.as_millis());
    assert!(matches!(&delivery, Delivery::TransportDown { reason: it } if it.contains(&reason)), "{delivery:?}");
    assert!(began.elapsed() < 3 * STEP, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_message_arrives_as_it_was_given() {
    let sink = SmtpSink::start().await;
    let mut lane = lane(config(&sink));
    let delivery = lane.send(&to("a@example.com")).await;
    assert_eq!(delivery, Delivery::Sent { reply: "250 2.0.0 queued".into() });
    lane.close().await;
    let [received] = &sink.wait_for(1, 10 * STEP).await[..] else { panic!("one message") };
    assert_eq!((received.from.as_str(), received.to.as_str()), ("andon@example.com", "a@example.com"));
    assert_eq!(received.message, b"Subject: x\r\n\r\n.dot\r\nlast\r\n");
    let verbs: Vec<_> = sink.lines().into_iter().map(|(_, line)| line).collect();
    let expected = ["EHLO andon.test", "MAIL FROM:<andon@example.com>", "RCPT TO:<a@example.com>", "DATA", "QUIT"];
    assert_eq!(verbs, expected);
}

#[tokio::test]
async fn a_connection_cut_before_the_dot_is_not_sent_and_after_it_uncertain() {
    let sink = SmtpSink::start().await;
    let mut lane = lane(config(&sink));
    sink.inject(Fault::once(Command::Dot, What::DropAfterDot));
    assert_eq!(kind(&lane.send(&to("a@example.com")).await), "Uncertain");
    assert!(sink.messages()[0].accepted);
    sink.heal();
    // More than the sockets' buffers hold, so that the cut is seen while the body is written.
    let long = Outgoing { message: vec![b'y'; 30_000_000], ..to("b@example.com") };
    sink.inject(Fault::once(Command::Data, What::DropBeforeDot));
    assert_eq!(kind(&lane.send(&long).await), "NotSent");
    assert_eq!(sink.messages().len(), 1);
}

#[tokio::test]
async fn closing_with_421_is_for_now_and_ends_the_connection() {
    for at in [Command::Mail, Command::Rcpt, Command::Data, Command::Dot] {
        let sink = SmtpSink::start().await;
        let mut lane = lane(config(&sink));
        sink.inject(Fault::once(at, What::Reply("421 4.3.2 shutting down")));
        assert_eq!(kind(&lane.send(&to("a@example.com")).await), "RefusedForNow", "{at:?}");
        assert_eq!(kind(&lane.send(&to("b@example.com")).await), "Sent", "{at:?}");
        assert_eq!(sink.connections(), 2, "{at:?}");
    }
}

#[tokio::test]
async fn an_old_connection_that_was_hung_up_costs_no_message() {
    for what in [What::Drop, What::Reply("421 4.4.2 idle too long")] {
        let sink = SmtpSink::start().await;
        let mut lane = lane(config(&sink));
        assert_eq!(kind(&lane.send(&to("a@example.com")).await), "Sent");
        sink.inject(Fault::once(Command::Mail, what));
        assert_eq!(kind(&lane.send(&to("b@example.com")).await), "Sent");
        assert_eq!(sink.connections(), 2);
    }
}

#[tokio::test]
async fn a_reset_that_fails_in_any_way_ends_the_connection() {
    for what in every_way() {
        let sink = SmtpSink::start().await;
        let mut lane = lane(config(&sink));
        sink.inject(Fault::once(Command::Rcpt, What::Reply5xx).for_recipient("a@example.com"));
        sink.inject(Fault::once(Command::Rset, what.clone()));
        assert_eq!(kind(&lane.send(&to("a@example.com")).await), "RefusedForGood");
        assert_eq!(kind(&lane.send(&to("b@example.com")).await), "Sent", "{what:?}");
        let connections = if what == What::Late(LATE) { 1 } else { 2 };
        assert_eq!(sink.connections(), connections, "{what:?}");
    }
}

#[tokio::test]
async fn a_connection_carries_a_limited_number_of_messages_for_a_limited_time() {
    let sink = SmtpSink::start().await;
    let mut few = lane(SmtpConfig { connection_messages_max: 2, ..config(&sink) });
    for n in 0..5 {
        assert_eq!(kind(&few.send(&to(&format!("{n}@example.com"))).await), "Sent");
    }
    let used: Vec<_> = sink.messages().iter().map(|message| message.connection).collect();
    assert_eq!(used, [1, 1, 2, 2, 3]);
    let mut hasty = lane(SmtpConfig { idle_max: Duration::ZERO, ..config(&sink) });
    for _ in 0..2 {
        assert_eq!(kind(&hasty.send(&to("x@example.com")).await), "Sent");
    }
    assert_eq!(sink.connections(), 5);
}

#[tokio::test]
async fn a_send_that_is_dropped_half_way_leaves_no_connection_behind() {
    let sink = SmtpSink::start().await;
    let mut lane = lane(config(&sink));
    assert_eq!(kind(&lane.send(&to("a@example.com")).await), "Sent");
    sink.inject(Fault::once(Command::Data, What::Silence));
    let b = to("b@example.com");
    let dropped = tokio::time::timeout(STEP / 3, lane.send(&b)).await;
    assert!(dropped.is_err());
    assert_eq!(kind(&lane.send(&to("c@example.com")).await), "Sent");
    let last = sink.messages().pop().expect("arrived");
    assert_eq!((last.connection, last.to.as_str()), (2, "c@example.com"));
}

#[tokio::test]
async fn both_mechanisms_log_in_over_both_kinds_of_tls() {
    for (sink_tls, tls) in [(SinkTls::StartTls, TlsMode::StartTls), (SinkTls::Implicit, TlsMode::Implicit)] {
        for mechanisms in ["PLAIN", "LOGIN"] {
            let options = SinkOptions { tls: sink_tls, mechanisms, credentials: ACCOUNT, ..SinkOptions::default() };
            let sink = SmtpSink::start_with(options).await;
            let config = |password: &str| SmtpConfig {
                host: "localhost".into(),
                tls,
                credentials: Some(Credentials { user: ACCOUNT.0.into(), password: password.into() }),
                extra_ca_pem: Some(sink.ca_pem().as_bytes().to_vec()),
                ..config(&sink)
            };
            assert_eq!(kind(&lane(config(ACCOUNT.1)).send(&to("a@example.com")).await), "Sent", "{tls:?} {mechanisms}");
            let refused = lane(config("guessed")).send(&to("a@example.com")).await;
            assert_eq!(refused, Delivery::TransportDown { reason: "AUTH: refused with 535".into() });
            assert!(!format!("{:?}", config("guessed")).contains("guessed"));
        }
    }
}

#[tokio::test]
async fn transport_faults_are_not_the_messages_fault() {
    let plain = SmtpSink::start().await;
    let secure = SmtpSink::start_with(SinkOptions { tls: SinkTls::StartTls, ..SinkOptions::default() }).await;
    let trusting = |sink: &SmtpSink| SmtpConfig {
        host: "localhost".into(),
        tls: TlsMode::StartTls,
        extra_ca_pem: Some(secure.ca_pem().as_bytes().to_vec()),
        ..config(sink)
    };
    let closed_port =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    let no_mechanism = Some(Credentials { user: "a".into(), password: "b".into() });
    let stranger = SmtpSink::start_with(SinkOptions { tls: SinkTls::StartTls, ..SinkOptions::default() }).await;
    for (config, part) in [
        (SmtpConfig { port: closed_port, ..config(&plain) }, "connect:"),
        (trusting(&plain), "STARTTLS: not offered"),
        (trusting(&stranger), "TLS:"),
        (SmtpConfig { tls: TlsMode::Implicit, ..trusting(&secure) }, "TLS:"),
        (SmtpConfig { credentials: no_mechanism, ..config(&plain) }, "AUTH: the server offers neither"),
    ] {
        let delivery = lane(config).send(&to("a@example.com")).await;
        assert!(
            matches!(&delivery, Delivery::TransportDown { reason } if reason.contains(part)),
            "{part}: {delivery:?}"
        );
    }
    plain.inject(Fault::once(Command::Mail, What::Reply("530 5.7.0 authentication required")));
    assert_eq!(kind(&lane(config(&plain)).send(&to("a@example.com")).await), "TransportDown");
    assert!(plain.messages().is_empty() && secure.messages().is_empty() && stranger.messages().is_empty());
}

#[tokio::test]
async fn one_refused_recipient_does_not_hold_up_the_others() {
    let sink = SmtpSink::start().await;
    let mut lane = lane(config(&sink));
    sink.inject(Fault::always(Command::Rcpt, What::Reply5xx).for_recipient("gone@example.com"));
    let mut outcomes = Vec::new();
    for recipient in ["a@example.com", "gone@example.com", "b@example.com", "not an address", "c@example.com"] {
        outcomes.push(kind(&lane.send(&to(recipient)).await));
    }
    assert_eq!(outcomes, ["Sent", "RefusedForGood", "Sent", "RefusedForGood", "Sent"]);
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_ascii_needs_a_server_that_knows_it() {
    let sink = SmtpSink::start().await;
    let umlaut = to("jörg@example.com");
    assert_eq!(kind(&lane(config(&sink)).send(&umlaut).await), "RefusedForGood");
    let modern = SmtpSink::start_with(SinkOptions { extensions: &["SMTPUTF8", "SIZE 1000"], ..SinkOptions::default() });
    let modern = modern.await;
    assert_eq!(kind(&lane(config(&modern)).send(&umlaut).await), "Sent");
    assert!(modern.lines()[1].1.ends_with("> SIZE=23 SMTPUTF8"), "{:?}", modern.lines());
}

#[test]
fn a_send_takes_25_seconds_at_most_by_default() {
    assert_eq!(Deadlines::default().total(), Duration::from_secs(25));
}
