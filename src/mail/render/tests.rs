//! What a rendered message looks like to a mail client.

use chrono::{NaiveDate, TimeZone};
use uuid::Uuid;

use super::*;
use std::collections::BTreeSet;

use crate::domain::{
    alerts::{
        event::Occurrence,
        message::{
            Ageing, DigestFacts, DigestGroup, DigestLine, Given, Happened, Mark, News, NoteFacts, OrderFacts, Reader,
            TaskFacts, TaskLine, Why,
        },
        recipients,
    },
    note::NoteKind,
    order::DueCause,
    projection::Health,
};

const HOSTILE: &str = "<script>alert(1)</script>\"'&\r\nBcc: thief@example.com\r\n\r\n.\r\n\u{202E}evil\0";

fn date_of(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a date")
}

fn note(text: &str) -> NoteFacts {
    let at = Utc.with_ymd_and_hms(2026, 2, 27, 13, 5, 0).single().expect("an instant");
    NoteFacts { author: "Bob Miller".into(), at, text: text.into(), kind: NoteKind::Note }
}

fn order() -> OrderFacts {
    OrderFacts {
        order_id: Uuid::from_u128(7),
        number: "4711".into(),
        title: "Bracket".into(),
        order_type_name: "Sheet metal".into(),
        status_name: "Milling".into(),
        status_definition: "The part is on a milling machine. Advance when the first-article check is signed.".into(),
        entered_on: date_of(2026, 2, 23),
        due_on: Some(date_of(2026, 3, 2)),
        // Midnight in Berlin.
        due_at: Utc.with_ymd_and_hms(2026, 3, 2, 23, 0, 0).single(),
        zone: "Europe/Berlin".into(),
        days_late: 2,
        assignee: Some("Ann Lee".into()),
        department: Some("Milling shop".into()),
        customer_reference: "PO 88-1234".into(),
        last_note: Some(note("Cutter broke, new one comes on Monday.\nCustomer knows.")),
        priority: 0,
        reason: Why::ManagerOf("Milling shop".into()),
        reader: Reader::default(),
        order_type: "sheet-metal".into(),
        status: "milling".into(),
        labels: std::collections::BTreeMap::new(),
    }
}

fn envelope() -> Envelope {
    Envelope {
        id: Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001),
        from: "andon <andon@example.com>".into(),
        to_name: "Jörg Groß".into(),
        to_address: "joerg@example.com".into(),
        message_id: "1@example.com".into(),
        date: Utc.with_ymd_and_hms(2026, 3, 4, 23, 0, 1).single().expect("an instant"),
        thread: "<order-7@example.com>".into(),
        link_pattern: Some("https://erp.example/orders/{number}".into()),
        language: "en".into(),
    }
}

fn rendered(facts: &MessageFacts) -> (String, String) {
    let message = render(facts, &envelope()).expect("addresses are fine");
    (message.subject, String::from_utf8(message.bytes).expect("ASCII"))
}

fn texts(facts: &MessageFacts) -> (String, String) {
    match wording::words(facts, "en", envelope().link_pattern.as_deref()).1 {
        Words::Letter(letter) => (fill("letter.txt", &letter), fill("letter.html", &letter)),
        Words::Digest(digest) => (fill("digest.txt", &digest), fill("digest.html", &digest)),
    }
}

fn header_block(bytes: &str) -> &str {
    bytes.split("\r\n\r\n").next().expect("a head")
}

/// One of each thing that can happen, and both ends of those that differ inside.
fn every_occurrence(text: &str) -> Vec<Occurrence> {
    let by = || text.to_owned();
    let from = || text.to_owned();
    let since = Utc.with_ymd_and_hms(2026, 2, 20, 9, 30, 0).single().expect("an instant");
    let (before, after) = (Some(date_of(2026, 3, 2)), Some(date_of(2026, 10, 16)));
    let mut all = vec![
        Occurrence::OrderCreated { by: by() },
        Occurrence::StatusEntered { from: String::new(), by: String::new() },
        Occurrence::StatusEntered { from: from(), by: by() },
        Occurrence::StatusLeft { from: from(), by: by() },
        Occurrence::DueSoon { days: 0 },
        Occurrence::DueSoon { days: 1 },
        Occurrence::DueSoon { days: 2 },
        Occurrence::StatusOverdue,
        Occurrence::Escalation { days: 1, step: 1 },
        Occurrence::Escalation { days: 3, step: 2 },
        Occurrence::Stale { days: 1, since },
        Occurrence::Stale { days: 5, since },
        Occurrence::OrderClosed { by: by() },
        Occurrence::DueDateChanged { before: None, after, cause: None, by: by() },
        Occurrence::DueDateChanged { before, after: None, cause: Some(DueCause::Cleared), by: by() },
        Occurrence::DueDateChanged { before: None, after: None, cause: None, by: by() },
    ];
    for kind in [NoteKind::Note, NoteKind::Question, NoteKind::Answer, NoteKind::Decision] {
        all.push(Occurrence::NoteAdded { note: NoteFacts { author: by(), kind, ..note(text) } });
    }
    for cause in [
        DueCause::Manual,
        DueCause::OrderDate,
        DueCause::Cycle,
        DueCause::DeliveryDate,
        DueCause::Method,
        DueCause::Calendar,
    ] {
        all.push(Occurrence::DueDateChanged { before, after, cause: Some(cause), by: by() });
    }
    for health in [Some(Health::Ahead), Some(Health::OnTarget), Some(Health::Late), None] {
        all.push(Occurrence::HealthChanged { before: None, after: health });
        all.push(Occurrence::HealthChanged { before: Some(Health::Late), after: health });
    }
    all
}

fn happened(order: &OrderFacts, occurrence: Occurrence, subject: &str, text: &str) -> MessageFacts {
    MessageFacts::Happened(Box::new(Happened {
        order: order.clone(),
        occurrence,
        trigger: "late-parts".into(),
        trigger_name: "Late parts".into(),
        subject: subject.into(),
        text: text.into(),
        cause: String::new(),
    }))
}

/// A digest with everything that one can have; the texts are those of the order.
fn digest_of(order: &OrderFacts, text: &str) -> DigestFacts {
    let at = Utc.with_ymd_and_hms(2026, 3, 4, 6, 0, 0).single().expect("an instant");
    let news = |occurrence| News { occurrence, at, trigger_name: text.into(), text: String::new() };
    let line = |days_late, mark, news| DigestLine {
        order: OrderFacts { days_late, ..order.clone() },
        mark,
        news,
        news_more: 0,
    };
    let acknowledged = |until| Mark::Acknowledged { by: text.into(), note: text.into(), until };
    let every = every_occurrence(text).into_iter().map(news);
    DigestFacts {
        reader: order.reader.clone(),
        groups: vec![
            DigestGroup {
                department: order.department.clone().unwrap_or_default(),
                order_type: order.order_type_name.clone(),
                lines: vec![
                    line(1, Mark::Recovered, Vec::new()),
                    line(3, acknowledged(Some(at)), Vec::new()),
                    line(4, acknowledged(None), Vec::new()),
                    line(
                        9,
                        Mark::Worse { days_late_before: 4 },
                        vec![news(Occurrence::Escalation { days: 9, step: 2 })],
                    ),
                    line(0, Mark::New, vec![news(Occurrence::StatusOverdue)]),
                    line(2, Mark::New, Vec::new()),
                ],
                more: 12,
            },
            DigestGroup {
                lines: every.map(|news| line(0, Mark::News, vec![news])).collect(),
                ..DigestGroup::default()
            },
        ],
        more: 1,
        unchanged: 14,
        tasks: vec![
            TaskLine {
                title: text.into(),
                order_id: Some(order.order_id),
                order_number: order.number.clone(),
                due_on: order.due_on,
                days_late: 3,
                department: String::new(),
            },
            TaskLine { title: text.into(), department: text.into(), days_late: 1, ..TaskLine::default() },
        ],
        tasks_more: 2,
        ageing: Ageing { counts: [7, 12, 4, 0, 31] },
        storm: false,
    }
}

fn task_of(order: &OrderFacts, text: &str, given: Given, trigger: &str) -> MessageFacts {
    MessageFacts::Task(Box::new(TaskFacts {
        task_id: Uuid::from_u128(9),
        title: text.into(),
        description: text.into(),
        due_on: order.due_on,
        given,
        by: if trigger.is_empty() { text.into() } else { String::new() },
        trigger_name: trigger.into(),
        user: None,
        department: None,
        holder: text.into(),
        comment: if given == Given::Reopened { text.into() } else { String::new() },
        order_number: order.number.clone(),
        order: Some(order.clone()),
        reason: order.reason.clone(),
        reader: order.reader.clone(),
    }))
}

fn every_kind_with(order: &OrderFacts, text: &str) -> Vec<MessageFacts> {
    let note = order.last_note.clone().expect("the sample has one");
    let mut all = vec![
        MessageFacts::Overdue(order.clone()),
        MessageFacts::OverdueDigest { orders: vec![order.clone(), self::order(), self::order()], more: 0 },
        MessageFacts::OverdueDigest { orders: vec![order.clone(), self::order()], more: 3 },
        MessageFacts::Advanced {
            order: order.clone(),
            from_status: order.status_name.clone(),
            by: note.author.clone(),
            note: Some(note.clone()),
        },
        MessageFacts::NoteAdded { order: order.clone(), note },
        MessageFacts::Digest(Box::new(digest_of(order, text))),
        MessageFacts::Digest(Box::new(DigestFacts { storm: true, tasks: Vec::new(), ..digest_of(order, text) })),
        happened(order, Occurrence::StatusOverdue, text, text),
        task_of(order, text, Given::Made, text),
        task_of(order, text, Given::Reassigned, ""),
        task_of(order, text, Given::Reopened, ""),
    ];
    all.extend(every_occurrence(text).into_iter().map(|occurrence| happened(order, occurrence, "", "")));
    all
}

fn every_kind(order: &OrderFacts) -> Vec<MessageFacts> {
    every_kind_with(order, order.last_note.clone().expect("the sample has one").author.as_str())
}

fn german() -> OrderFacts {
    let reader = Reader { language: "de-AT".into(), zone: String::new() };
    let text = "Fräser gebrochen, neuer kommt am Montag.\nKunde weiß Bescheid.";
    OrderFacts {
        title: "Halterung".into(),
        order_type_name: "Blechteil".into(),
        status_name: "Fräsen".into(),
        status_definition:
            "Das Teil ist auf einer Fräsmaschine. Weiterschalten, wenn die Erstmusterprüfung unterschrieben ist.".into(),
        assignee: Some("Änne Groß".into()),
        department: Some("Fräserei".into()),
        last_note: Some(NoteFacts { author: "Jörg Müller".into(), ..note(text) }),
        reason: Why::ManagerOf("Fräserei".into()),
        reader,
        ..order()
    }
}

#[test]
fn a_note_says_in_the_mail_what_it_is() {
    for (kind, subject, verdict) in [
        (NoteKind::Note, "4711 Bracket: note by Bob Miller", "Bob Miller wrote a note"),
        (NoteKind::Question, "4711 Bracket: question by Bob Miller", "Bob Miller asked a question"),
        (NoteKind::Answer, "4711 Bracket: answer by Bob Miller", "Bob Miller answered a question"),
        (NoteKind::Decision, "4711 Bracket: decision by Bob Miller", "Bob Miller made a decision"),
    ] {
        let facts = MessageFacts::NoteAdded { order: order(), note: NoteFacts { kind, ..note("Which oil?") } };
        assert_eq!(rendered(&facts).0, subject);
        let (plain, html) = texts(&facts);
        assert!(plain.contains(verdict) && plain.contains("  Which oil?") && html.contains(verdict), "{plain}");
    }
    let stored: NoteFacts =
        serde_json::from_str(r#"{"author":"Bob","at":"2026-02-27T13:05:00Z","text":"x"}"#).expect("as it was stored");
    assert_eq!(stored.kind, NoteKind::Note);
}

#[test]
fn an_overdue_message_says_what_when_who_and_what_next() {
    let facts = MessageFacts::Overdue(order());
    let (subject, _) = rendered(&facts);
    assert_eq!(subject, "OVERDUE: 4711 Bracket, Milling since Tue 3 Mar (2 working days)");
    let (plain, html) = texts(&facts);
    assert_eq!(
        plain,
        "OVERDUE: 4711 Bracket\n\
         Overdue since Tue 3 Mar 2026: 2 working days\n\
         \n\
         Status: Milling, since Mon 23 Feb 2026\n\
         Due: Mon 2 Mar 2026\n\
         Who has it: Ann Lee (Milling shop)\n\
         Order type: Sheet metal\n\
         Customer's reference: PO 88-1234\n\
         \n\
         Last note, Bob Miller, Fri 27 Feb 2026, 14:05 (Europe/Berlin):\n  \
         Cutter broke, new one comes on Monday.\n  \
         Customer knows.\n\
         \n\
         What to do now:\n  \
         * Done here? Advance the order to its next status.\n  \
         * Needs longer? Set a new due date.\n  \
         * Stuck? Add a note that says what is missing and who is on it.\n\
         \n\
         Open the order: https://erp.example/orders/4711\n\
         \n\
         About the status Milling: The part is on a milling machine. Advance when the first-article check is signed.\n\
         \n\
         You get this because you manage Milling shop, which has the order."
    );
    for part in ["4711 Bracket", "Overdue since Tue 3 Mar 2026: 2 working days", "Ann Lee (Milling shop)"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.contains("href=\"https:&#x2f;&#x2f;erp.example&#x2f;orders&#x2f;4711\""), "{html}");
    assert!(!html.contains("<img"), "no pictures");
}

#[test]
fn right_after_midnight_of_a_closed_day_no_working_day_is_lost() {
    let facts = MessageFacts::Overdue(OrderFacts { days_late: 0, ..order() });
    assert_eq!(rendered(&facts).0, "OVERDUE: 4711 Bracket, Milling since Tue 3 Mar");
    assert!(texts(&facts).0.contains("Overdue since Tue 3 Mar 2026: less than a working day"));
    let facts = MessageFacts::Overdue(OrderFacts { days_late: 1, due_at: None, ..order() });
    assert_eq!(rendered(&facts).0, "OVERDUE: 4711 Bracket, Milling since Tue 3 Mar (1 working day)");
}

#[test]
fn what_is_unknown_is_left_out() {
    let bare = OrderFacts {
        due_on: None,
        due_at: None,
        assignee: None,
        department: None,
        customer_reference: String::new(),
        last_note: None,
        status_definition: String::new(),
        zone: "Nowhere/At_All".into(),
        ..order()
    };
    let (plain, html) = texts(&MessageFacts::Overdue(bare));
    assert!(
        plain.contains("Due: no due date\nWho has it: nobody\nOrder type: Sheet metal\n\nWhat to do now:"),
        "{plain}"
    );
    assert!(!html.contains("Last note") && !html.contains("About the status") && !html.contains("Customer"));
}

#[test]
fn a_digest_lists_the_latest_first_and_counts_the_rest() {
    let late = OrderFacts { number: "4712".into(), title: "Shaft".into(), days_late: 9, ..order() };
    let fresh = OrderFacts { number: "4713".into(), days_late: 0, last_note: None, reason: Why::Assignee, ..order() };
    let facts = MessageFacts::OverdueDigest { orders: vec![fresh, order(), late], more: 37 };
    let (subject, _) = rendered(&facts);
    assert_eq!(subject, "OVERDUE: 40 orders, worst 4712 Shaft (9 working days)");
    let (plain, html) = texts(&facts);
    let at = |text: &str| plain.find(text).unwrap_or_else(|| panic!("{text} in {plain}"));
    assert!(at("4712 Shaft: 9 days late") < at("4711 Bracket: 2 days late"));
    assert!(at("4711 Bracket: 2 days late") < at("4713 Bracket: < 1 day late"));
    assert!(
        at("… and 37 more.") < at("You get this because you manage Milling shop, which has the order; the order is")
    );
    assert!(html.contains("40 orders are overdue") && html.contains("and 37 more."));
}

#[test]
fn an_empty_digest_is_still_a_message() {
    let (subject, _) = rendered(&MessageFacts::OverdueDigest { orders: vec![], more: 0 });
    assert_eq!(subject, "OVERDUE: 0 orders");
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    for facts in every_kind(&order()) {
        assert_eq!(render(&facts, &envelope()), render(&facts, &envelope()));
    }
}

#[test]
fn headers_are_complete() {
    let (_, bytes) = rendered(&MessageFacts::Overdue(order()));
    let head = header_block(&bytes);
    for line in [
        "From: andon <andon@example.com>",
        "To: =?utf-8?b?SsO2cmcgR3Jvw58=?= <joerg@example.com>",
        "Subject: OVERDUE: 4711 Bracket, Milling since Tue 3 Mar (2 working days)",
        "Date: Wed, 04 Mar 2026 23:00:01 +0000",
        "Message-ID: <1@example.com>",
        "In-Reply-To: <order-7@example.com>",
        "References: <order-7@example.com>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply",
        "X-Andon-Message: 01980000-0000-7000-8000-000000000001",
        "MIME-Version: 1.0",
    ] {
        assert!(head.split("\r\n").any(|found| found == line), "{line} in {head}");
    }
    assert!(
        head.contains("multipart/alternative") && head.contains("andon-01980000000070008000000000000001"),
        "{head}"
    );
    assert_eq!(crate::mail::message::message_id_of(bytes.as_bytes()), Some(envelope().id));
}

#[test]
fn hostile_texts_stay_texts() {
    let hostile = OrderFacts {
        number: HOSTILE.into(),
        title: HOSTILE.into(),
        order_type_name: HOSTILE.into(),
        status_name: HOSTILE.into(),
        status_definition: HOSTILE.into(),
        zone: HOSTILE.into(),
        assignee: Some(HOSTILE.into()),
        department: Some(HOSTILE.into()),
        customer_reference: HOSTILE.into(),
        last_note: Some(NoteFacts { author: HOSTILE.into(), ..note(HOSTILE) }),
        reason: Why::Fallback(HOSTILE.into()),
        ..order()
    };
    let calm = render(&MessageFacts::Overdue(order()), &envelope()).expect("addresses are fine");
    let names = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).expect("ASCII");
        let names = header_block(&text).split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        names.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    let envelope = Envelope {
        to_name: HOSTILE.into(),
        message_id: HOSTILE.into(),
        thread: HOSTILE.into(),
        link_pattern: Some("https://erp.example/{number}?q={id}&x=\"><script>".into()),
        ..envelope()
    };
    for facts in every_kind_with(&hostile, HOSTILE) {
        let message = render(&facts, &envelope).expect("addresses are fine");
        assert_eq!(names(&message.bytes), names(&calm.bytes), "no header more, none less");
        assert!(message.bytes.is_ascii() && !message.bytes.contains(&0));
        assert!(!message.subject.contains(|c: char| c.is_control() || c == '\u{202E}'), "{:?}", message.subject);
        let (plain, html) = texts(&facts);
        assert!(!html.contains("<script") && !html.contains("thief@example.com\r"), "{html}");
        let head = html.find("<body").expect("it has one");
        assert!(!html[head..].contains("<style") && !html.contains("<img") && !html.contains("url("), "{html}");
        assert!(!plain.contains(['\0', '\u{202E}', '\r']) && !html.contains(['\0', '\u{202E}']));
    }
}

#[test]
fn only_web_links_become_links() {
    let facts = MessageFacts::Overdue(OrderFacts { number: "A 1/{id}".into(), ..order() });
    let html = |pattern: &str| {
        fill(
            "letter.txt",
            match &wording::words(&facts, "en", Some(pattern)).1 {
                Words::Letter(letter) => letter,
                Words::Digest(_) => panic!("not a digest"),
            },
        )
    };
    assert!(html("https://erp.example/{number}/{x").contains("https://erp.example/A%201%2F%7Bid%7D/{x"));
    assert!(html("http://erp.example/?o={id}").contains("http://erp.example/?o=00000000-0000-0000-0000-000000000007"));
    for bad in ["javascript:alert(1)//{number}", "erp.example/{number}", "", "https://erp.example/a b", "https://a/\n"]
    {
        assert!(!html(bad).contains("Open the order"), "{bad:?}");
    }
}

#[test]
fn long_notes_and_titles_are_cut() {
    let long = OrderFacts {
        title: "👩‍🔧 שלום ".repeat(4000),
        last_note: Some(note(&"A long story. ".repeat(1500))),
        status_name: "x".repeat(20_000),
        ..order()
    };
    for facts in every_kind_with(&long, &"lang ".repeat(4000)) {
        let message = render(&facts, &envelope()).expect("addresses are fine");
        assert!(message.subject.chars().count() <= 150, "{}", message.subject);
        // A digest of this test has more than forty lines, each as long as can be.
        let own = matches!(&facts, MessageFacts::Happened(happened) if !happened.text.is_empty());
        let max = if matches!(facts, MessageFacts::Digest(_)) {
            300_000
        } else if own {
            45_000
        } else {
            25_000
        };
        assert!(message.bytes.len() < max, "{} bytes: {}", message.bytes.len(), message.subject);
        assert!(message.bytes.split(|byte| *byte == b'\n').all(|line| line.len() < 998));
        assert!(message.bytes.is_ascii());
    }
}

#[test]
fn a_note_that_was_cut_says_so_and_how_to_read_it() {
    let long = OrderFacts { last_note: Some(note(&"x".repeat(1201))), ..order() };
    let (plain, html) = texts(&MessageFacts::Overdue(long.clone()));
    assert!(plain.contains("The note is longer. All of it: andon orders notes 4711"), "{plain}");
    assert!(
        html.contains("The note is longer. All of it:") && html.contains(">andon orders notes 4711</code>"),
        "{html}"
    );
    for part in [&plain, &html] {
        assert!(part.contains(&format!("{}…", "x".repeat(1199))), "{part}");
    }
    let whole = OrderFacts { last_note: Some(note(&"x".repeat(1200))), ..order() };
    assert!(!texts(&MessageFacts::Overdue(whole)).0.contains("The note is longer"));
    let german = OrderFacts { reader: german().reader, number: "A 1".into(), ..long.clone() };
    assert!(texts(&MessageFacts::Overdue(german)).0.contains("Ganz lesen: andon orders notes 'A 1'"));
    // What the command line would take for something else is named by its id.
    for number in ["-x", "a'b", "$(reboot)\n", "a\u{202E}b"] {
        let odd = OrderFacts { number: number.into(), ..long.clone() };
        let id = "andon orders notes --id 00000000-0000-0000-0000-000000000007";
        assert!(texts(&MessageFacts::Overdue(odd)).0.contains(id), "{number}");
    }
    let quoted = OrderFacts { number: "$(reboot)".into(), ..long };
    assert!(texts(&MessageFacts::Overdue(quoted)).0.contains("andon orders notes '$(reboot)'"));
}

/// What a part says, as the set of its words: without marks, and with the addresses of links.
fn words_said(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The visible text of a page.
fn visible(html: &str) -> String {
    let body = &html[html.find("<body").expect("it has one")..];
    let mut text = String::new();
    for piece in body.split('<') {
        let (tag, after) = piece.split_once('>').unwrap_or((piece, ""));
        if let Some((_, address)) = tag.split_once("href=\"") {
            text.push(' ');
            text.push_str(address.split('"').next().unwrap_or_default());
        }
        text.push(' ');
        text.push_str(after);
    }
    let entities = [
        ("&#x2f;", "/"),
        ("&#x27;", "'"),
        ("&quot;", "\""),
        ("&#8226;", ""),
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    entities.iter().fold(text, |text, (entity, plain)| text.replace(entity, plain)).replace("&amp;", "&")
}

#[test]
fn both_parts_say_the_same() {
    let odd = OrderFacts { number: "A&1 <b>".into(), title: "\"x\" 'y'".into(), ..german() };
    for order in [order(), german(), odd] {
        for facts in every_kind(&order) {
            let (plain, html) = texts(&facts);
            let (plain_words, html_words) = (words_said(&plain), words_said(&visible(&html)));
            assert_eq!(plain_words, html_words, "{plain}");
            assert!(!plain.contains("\n\n\n"), "{plain}");
        }
    }
}

#[test]
fn every_message_says_what_to_do_and_why_it_came() {
    for (order, why, steps) in [
        (order(), "You get this because", "What to do now:"),
        (german(), "Sie bekommen diese Mail, weil", "Was jetzt zu tun ist:"),
    ] {
        for facts in every_kind(&order) {
            let (plain, html) = texts(&facts);
            assert!(plain.contains(why) && html.contains(why), "{plain}");
            assert!(plain.contains(steps), "{plain}");
            if let MessageFacts::Happened(_) = facts {
                assert!(plain.contains("Late parts"), "{plain}");
            }
        }
    }
}

#[test]
fn an_overdue_message_in_german() {
    let facts = MessageFacts::Overdue(german());
    assert_eq!(rendered(&facts).0, "ÜBERFÄLLIG: 4711 Halterung, Fräsen seit Di 3. März (2 Arbeitstage)");
    let (plain, html) = texts(&facts);
    assert_eq!(
        plain,
        "ÜBERFÄLLIG: 4711 Halterung\n\
         Überfällig seit Di 3. März 2026: 2 Arbeitstage\n\
         \n\
         Status: Fräsen, seit Mo 23. Feb. 2026\n\
         Fällig: Mo 2. März 2026\n\
         Liegt bei: Änne Groß (Fräserei)\n\
         Auftragsart: Blechteil\n\
         Kundenreferenz: PO 88-1234\n\
         \n\
         Letzte Notiz, Jörg Müller, Fr 27. Feb. 2026, 14:05 Uhr (Europe/Berlin):\n  \
         Fräser gebrochen, neuer kommt am Montag.\n  \
         Kunde weiß Bescheid.\n\
         \n\
         Was jetzt zu tun ist:\n  \
         * Fertig hier? Auftrag in den nächsten Status weiterschalten.\n  \
         * Dauert es länger? Neuen Termin setzen.\n  \
         * Geht es nicht weiter? Notiz schreiben: was fehlt, und wer kümmert sich?\n\
         \n\
         Auftrag öffnen: https://erp.example/orders/4711\n\
         \n\
         Zum Status Fräsen: Das Teil ist auf einer Fräsmaschine. Weiterschalten, wenn die Erstmusterprüfung unterschrieben ist.\n\
         \n\
         Sie bekommen diese Mail, weil Sie die Abteilung Fräserei leiten, bei der der Auftrag liegt."
    );
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"de\">"));
}

#[test]
fn everything_that_happens_is_told_in_both_languages() {
    let told = |order: OrderFacts, occurrence: Occurrence| {
        let facts = happened(&order, occurrence, "", "");
        (rendered(&facts).0, texts(&facts).0)
    };
    let since = Utc.with_ymd_and_hms(2026, 2, 20, 9, 30, 0).single().expect("an instant");
    let by = || "ann".to_owned();
    for (occurrence, english, german_text) in [
        (
            Occurrence::OrderCreated { by: by() },
            "Created by ann, begins in Milling",
            "Angelegt von ann, beginnt in Fräsen",
        ),
        (
            Occurrence::StatusEntered { from: "Sägen".into(), by: by() },
            "ann moved it from Sägen to Milling",
            "ann hat ihn von Sägen nach Fräsen weitergeschaltet",
        ),
        (
            Occurrence::StatusLeft { from: "Sägen".into(), by: by() },
            "ann moved it out of Sägen, now in Milling",
            "ann hat ihn aus Sägen weitergeschaltet, jetzt in Fräsen",
        ),
        (
            Occurrence::DueSoon { days: 1 },
            "Due Mon 2 Mar 2026, in 1 working day",
            "Fällig Mo 2. März 2026, in 1 Arbeitstag",
        ),
        (Occurrence::DueSoon { days: 2 }, "in 2 working days", "in 2 Arbeitstagen"),
        (
            Occurrence::Escalation { days: 3, step: 2 },
            "Overdue since Tue 3 Mar 2026: 3 working days, and nobody has acknowledged it",
            "Überfällig seit Di 3. März 2026: 3 Arbeitstage, und niemand hat es quittiert",
        ),
        (Occurrence::Escalation { days: 3, step: 2 }, "Escalation: step 2", "Eskalation: Stufe 2"),
        (
            Occurrence::Escalation { days: 3, step: 2 },
            "Acknowledge: andon orders ack 4711",
            "Quittieren: andon orders ack 4711",
        ),
        (
            Occurrence::Stale { days: 5, since },
            "Nothing has happened for 5 working days, since Fri 20 Feb 2026, 10:30 (Europe/Berlin)",
            "Seit 5 Arbeitstagen ist nichts passiert, zuletzt Fr 20. Feb. 2026, 10:30 Uhr (Europe/Berlin)",
        ),
        (
            Occurrence::HealthChanged { before: Some(Health::OnTarget), after: Some(Health::Late) },
            "Now late, was on target before",
            "Jetzt zu spät, vorher im Plan",
        ),
        (
            Occurrence::DueDateChanged {
                before: Some(date_of(2026, 3, 2)),
                after: Some(date_of(2026, 10, 16)),
                cause: Some(DueCause::Manual),
                by: by(),
            },
            "Due Fri 16 Oct 2026, before it was Mon 2 Mar 2026",
            "Fällig Fr 16. Okt. 2026, vorher Mo 2. März 2026",
        ),
        (
            Occurrence::DueDateChanged { before: None, after: None, cause: Some(DueCause::Manual), by: by() },
            "Why: set by hand by ann",
            "Grund: von Hand gesetzt von ann",
        ),
        (Occurrence::OrderClosed { by: by() }, "Closed by ann", "Abgeschlossen von ann"),
        (
            Occurrence::OrderClosed { by: by() },
            "Told by the trigger 'Late parts'.",
            "Gemeldet vom Auslöser „Late parts“.",
        ),
    ] {
        let (_, plain) = told(order(), occurrence.clone());
        assert!(plain.contains(english), "{english} in {plain}");
        let (_, plain) = told(german(), occurrence);
        assert!(plain.contains(german_text), "{german_text} in {plain}");
    }
    // No two occurrences of a kind share a subject, and none is empty, in either language.
    for order in [order(), german()] {
        for occurrence in every_occurrence("ann") {
            let (subject, _) = told(order.clone(), occurrence);
            assert!(subject.contains("4711") && subject.chars().count() > 12, "{subject}");
        }
    }
}

#[test]
fn no_phrase_of_one_language_is_in_the_other() {
    // Names that are the same in both are all that may be said by both.
    let same = ["Status", "NUMBER"];
    for (english, german) in
        every_kind(&order()).into_iter().zip(every_kind(&OrderFacts { reader: german().reader, ..order() }))
    {
        let lines = |facts: &MessageFacts| -> Vec<String> {
            texts(facts)
                .0
                .lines()
                .filter(|line| line.contains("andon orders") || line.ends_with(':'))
                .map(str::to_owned)
                .collect()
        };
        for (english, german) in lines(&english).iter().zip(lines(&german)) {
            assert!(*english != german || same.iter().any(|word| english.contains(word)), "{english}");
        }
        let own = matches!(&english, MessageFacts::Happened(happened) if !happened.subject.is_empty());
        assert!(own || rendered(&english).0 != rendered(&german).0);
    }
}

#[test]
fn the_language_is_that_of_the_reader_else_that_of_the_plant_else_english() {
    for (reader, plant, tag) in [
        ("de", "en", "de"),
        ("de-AT", "en", "de"),
        ("DE_de", "en", "de"),
        ("en-GB", "de", "en"),
        ("", "de", "de"),
        ("fr", "de", "de"),
        ("fr", "", "en"),
        ("", "", "en"),
        ("deutsch", "en", "en"),
    ] {
        assert_eq!(phrases::choose(reader, plant).tag(), tag, "{reader:?} {plant:?}");
    }
    let message = render(&MessageFacts::Overdue(order()), &Envelope { language: "de".into(), ..envelope() });
    assert!(message.expect("addresses are fine").subject.starts_with("ÜBERFÄLLIG: 4711"));
}

#[test]
fn times_are_the_readers_and_days_are_the_plants() {
    let reader = Reader { language: String::new(), zone: "America/New_York".into() };
    let (plain, _) = texts(&MessageFacts::Overdue(OrderFacts { reader, ..order() }));
    assert!(plain.contains("Fri 27 Feb 2026, 08:05 (America/New_York)"), "{plain}");
    assert!(plain.contains("Overdue since Tue 3 Mar 2026"), "the day begins in Berlin: {plain}");
}

#[test]
fn why_nobody_else_could_be_told_is_said_in_german_too() {
    let why = |text: String| {
        let order = OrderFacts { reason: Why::Fallback(text), ..german() };
        texts(&MessageFacts::Overdue(order)).0.lines().last().expect("there is one").to_owned()
    };
    let passed_over = format!("Ann{}; Bob{}", recipients::IS_INACTIVE, recipients::HAS_NO_ADDRESS);
    assert!(why(passed_over).contains("(Ann ist nicht mehr aktiv; Bob hat keine Adresse)"));
    for known in [recipients::NOBODY_HAS_IT, recipients::NOBODY_OF_TRIGGER, recipients::NOBODY_OF_CALL] {
        assert!(!why(known.to_owned()).contains(known), "{known}");
    }
    assert!(why("etwas anderes".to_owned()).contains("(etwas anderes)"));
}

#[test]
fn a_trigger_speaks_in_its_own_words_above_the_facts() {
    let facts = happened(&order(), Occurrence::StatusOverdue, "Ring\r\nBcc: x", "First <b>.\n\n\n\nSecond: {{ x }}.");
    let (subject, _) = rendered(&facts);
    assert_eq!(subject, "Ring Bcc: x");
    let (plain, html) = texts(&facts);
    assert!(plain.contains("2 working days\n\nFirst <b>.\n\nSecond: {{ x }}.\n\nStatus: Milling"), "{plain}");
    assert!(html.contains("First &lt;b&gt;.<br><br>Second: {{ x }}."), "{html}");
    let usual = happened(&order(), Occurrence::StatusOverdue, " \n", "");
    assert_eq!(rendered(&usual).0, "OVERDUE: 4711 Bracket, Milling since Tue 3 Mar (2 working days)");
}

#[test]
fn a_digest_says_what_is_new_worse_recovered_and_acknowledged() {
    let facts = MessageFacts::Digest(Box::new(digest_of(&order(), "Bob Miller")));
    let (subject, _) = rendered(&facts);
    assert!(
        subject.starts_with("Digest: 53 orders, 2 newly overdue, 1 worse, 1 recovered, 4 overdue tasks; worst 4711"),
        "{subject}"
    );
    let (plain, html) = texts(&facts);
    let at = |text: &str| plain.find(text).unwrap_or_else(|| panic!("{text} in {plain}"));
    let order_of = [
        "  up to 1 day    7 #####\n  2–3 days      12 #########\n  4–5 days       4 ###\n  6–10 days      0\n  over 10 days  31 ########################\n",
        "== Milling shop · Sheet metal ==",
        "[WORSE] 4711 Bracket: 9 days late (was 4 days)",
        "* Escalation, step 2, after 9 days",
        "[NEW] 4711 Bracket: 2 days late",
        "[NEW] 4711 Bracket: < 1 day late",
        "Acknowledged by Bob Miller: Bob Miller",
        "Acknowledged by Bob Miller until Wed 4 Mar 2026, 07:00 (Europe/Berlin): Bob Miller",
        "[RECOVERED] 4711 Bracket\n",
        "… and 12 more.",
        "== No department ==",
        "… and 1 more.",
        "14 other orders are overdue as before.",
        "Overdue tasks:",
        "Bob Miller: 3 days late\n  order 4711 · due Mon 2 Mar 2026",
        "Acknowledge: andon orders ack NUMBER",
        "andon orders list --overdue",
        "you have overdue tasks.",
    ];
    let places: Vec<usize> = order_of.iter().map(|text| at(text)).collect();
    assert!(places.is_sorted(), "{places:?} {plain}");
    assert!(html.contains("width=\"100%\"") && html.contains("bgcolor=\"#b3261e\"") && !html.contains("<svg"));
    let german_facts = MessageFacts::Digest(Box::new(digest_of(&german(), "Jörg")));
    let (subject, _) = rendered(&german_facts);
    assert!(
        subject.starts_with(
            "Übersicht: 53 Aufträge, 2 neu überfällig, 1 noch später, 1 aufgeholt, 4 überfällige Aufgaben"
        ),
        "{subject}"
    );
}

#[test]
fn a_small_digest_has_no_picture_and_an_empty_one_is_still_a_message() {
    let line = |mark| DigestLine { order: order(), mark, news: Vec::new(), news_more: 0 };
    let of = |lines: Vec<DigestLine>| {
        let group = DigestGroup { lines, ..DigestGroup::default() };
        MessageFacts::Digest(Box::new(DigestFacts { groups: vec![group], ..DigestFacts::default() }))
    };
    let two = vec![line(Mark::New), line(Mark::New), line(Mark::Recovered), line(Mark::News)];
    assert!(!texts(&of(two.clone())).0.contains("How late the open orders are"));
    let three = [two, vec![line(Mark::New)]].concat();
    assert!(texts(&of(three)).0.contains("How late the open orders are:\n  up to 1 day   0\n  2–3 days      3 ####"));
    let empty = MessageFacts::Digest(Box::default());
    assert_eq!(rendered(&empty).0, "Digest: nothing new");
    let storm = MessageFacts::Digest(Box::new(DigestFacts { storm: true, ..DigestFacts::default() }));
    assert_eq!(rendered(&storm).0, "Many at once: nothing new");
    assert!(texts(&storm).0.contains("Nothing was left out."));
}

#[test]
fn a_full_digest_stays_small_enough_to_be_shown_whole() {
    let line = DigestLine { order: order(), mark: Mark::New, news: Vec::new(), news_more: 0 };
    let group = DigestGroup { lines: vec![line; 200], ..DigestGroup::default() };
    let facts = MessageFacts::Digest(Box::new(DigestFacts { groups: vec![group], ..DigestFacts::default() }));
    let (_, html) = texts(&facts);
    // Some clients cut what is longer than 102 kB; the words to keep are above.
    assert!(html.len() < 200_000, "{}", html.len());
}

#[test]
fn digests_have_a_thread_of_their_own_per_mailbox() {
    let id = Uuid::from_u128(7);
    let thread = |facts: &MessageFacts, address: &str| crate::mail::thread_of(facts, Some(id), address, "example.com");
    let order_thread = format!("order-{id}@example.com");
    assert_eq!(thread(&MessageFacts::Overdue(order()), "a@x"), order_thread);
    assert_eq!(thread(&happened(&order(), Occurrence::StatusOverdue, "", ""), "a@x"), order_thread);
    let task = task_of(&order(), "t", Given::Made, "");
    assert_eq!(thread(&task, "a@x"), order_thread);
    let alone = format!("task-{}@example.com", Uuid::from_u128(9));
    assert_eq!(crate::mail::thread_of(&task, None, "a@x", "example.com"), alone);
    let digest = MessageFacts::Digest(Box::default());
    let old = MessageFacts::OverdueDigest { orders: vec![order()], more: 0 };
    assert_eq!(thread(&digest, "A@x"), thread(&old, "a@X"));
    assert_ne!(thread(&digest, "a@x"), thread(&digest, "b@x"));
    assert!(thread(&digest, "a@x").starts_with("digest-") && thread(&digest, "a@x").ends_with("@example.com"));
}

/// With `ANDON_LETTERS` they are written into that folder, for looking at them; see `run/letters`.
#[test]
fn every_kind_of_message_names_its_order_in_every_language() {
    let dir = std::env::var_os("ANDON_LETTERS").map(std::path::PathBuf::from);
    let (mut english, mut german) = (order(), german());
    let others = ["4720 Shaft", "4733 Gear box housing, cast and machined", "4750 Flange"];
    for (language, order, own) in [
        ("en", &mut english, ("Late: 4711", "Please call the customer today.\n\nThe order is urgent.")),
        ("de", &mut german, ("Zu spät: 4711", "Bitte heute den Kunden anrufen.\n\nDer Auftrag ist dringend.")),
    ] {
        let by = order.assignee.clone().unwrap_or_default();
        let mut digest = digest_of(order, &by);
        for (place, line) in digest.groups.iter_mut().flat_map(|group| &mut group.lines).enumerate() {
            if let Some((number, title)) = others.get(place % 4).and_then(|name| name.split_once(' ')) {
                (line.order.number, line.order.title) = (number.into(), title.into());
            }
        }
        for task in &mut digest.tasks {
            task.title = "Prüfprotokoll · inspection report".into();
        }
        let mut storm = DigestFacts { storm: true, ageing: Ageing::default(), unchanged: 0, ..digest.clone() };
        storm.groups.truncate(1);
        let mut all: Vec<(String, MessageFacts)> = vec![
            ("overdue".into(), MessageFacts::Overdue(order.clone())),
            ("own".into(), happened(order, Occurrence::StatusOverdue, own.0, own.1)),
            ("overdue-digest".into(), MessageFacts::OverdueDigest { orders: vec![order.clone(); 4], more: 7 }),
            ("digest".into(), MessageFacts::Digest(Box::new(digest))),
            ("storm".into(), MessageFacts::Digest(Box::new(storm))),
        ];
        for (place, occurrence) in every_occurrence(&by).into_iter().enumerate() {
            let name = occurrence.event().as_str().to_lowercase();
            all.push((format!("{name}-{place}"), happened(order, occurrence, "", "")));
        }
        for (name, facts) in all {
            let (plain, html) = texts(&facts);
            let message = render(&facts, &envelope()).expect("addresses are fine");
            let number = order.number.as_str();
            for text in [&plain, &html] {
                assert!(text.contains(number) || name == "storm", "{name} {language}: {text}");
            }
            let Some(dir) = &dir else { continue };
            for (ending, bytes) in [("txt", plain.as_bytes()), ("html", html.as_bytes()), ("eml", &message.bytes)] {
                std::fs::write(dir.join(format!("{name}.{language}.{ending}")), bytes).expect("it is written");
            }
        }
    }
}

#[test]
fn every_line_ends_in_crlf() {
    for facts in every_kind(&OrderFacts { last_note: Some(note("a\rb\nc\r\n.\r\nd")), ..order() }) {
        let (_, bytes) = rendered(&facts);
        let bare = bytes.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']));
    }
}

#[test]
fn an_address_that_is_none_is_told() {
    let facts = MessageFacts::Overdue(order());
    for bad in ["", "joerg", "a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com"] {
        let wrong = Envelope { to_address: bad.into(), ..envelope() };
        assert_eq!(render(&facts, &wrong), Err(RenderError::Recipient(bad.into())));
    }
    let wrong = Envelope { from: "andon".into(), ..envelope() };
    assert_eq!(render(&facts, &wrong), Err(RenderError::Sender("andon".into())));
    assert_eq!(crate::mail::bare_address("andon <andon@example.com>"), Ok("andon@example.com".into()));
}

#[test]
fn a_task_says_what_by_when_and_of_which_order_in_both_languages() {
    let facts = task_of(&order(), "Sharpen the cutter", Given::Made, "Prepare milling");
    assert_eq!(rendered(&facts).0, "TASK: Sharpen the cutter (4711), due Mon 2 Mar");
    let (plain, html) = texts(&facts);
    assert!(
        plain.starts_with("TASK: Sharpen the cutter\nA new task, made by the trigger 'Prepare milling'\n"),
        "{plain}"
    );
    for part in ["Due: Mon 2 Mar 2026\n", "Order: 4711 Bracket\n", "which has the task."] {
        assert!(plain.contains(part), "{part}: {plain}");
    }
    assert!(plain.contains(&format!("andon tasks done {}", Uuid::from_u128(9))) && html.contains("4711 Bracket"));
    let facts = task_of(&german(), "Fräser schärfen", Given::Reopened, "");
    assert_eq!(rendered(&facts).0, "AUFGABE: Fräser schärfen (4711), fällig Mo 2. März");
    let plain = texts(&facts).0;
    assert!(plain.contains("Wieder zu erledigen: neu geöffnet von Fräser schärfen"), "{plain}");
    assert!(plain.contains("Sie die Abteilung Fräserei leiten, bei der die Aufgabe liegt."), "{plain}");
}
