//! What a rendered message looks like to a mail client.

use chrono::{NaiveDate, TimeZone};
use uuid::Uuid;

use super::*;
use crate::domain::{
    alerts::message::{NoteFacts, OrderFacts, Why},
    note::NoteKind,
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
        reason: Why::ManagerOf("Milling shop".into()),
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
    }
}

fn rendered(facts: &MessageFacts) -> (String, String) {
    let message = render(facts, &envelope()).expect("addresses are fine");
    (message.subject, String::from_utf8(message.bytes).expect("ASCII"))
}

fn texts(facts: &MessageFacts) -> (String, String) {
    match wording::words(facts, envelope().link_pattern.as_deref()).1 {
        Words::Letter(letter) => (fill("letter.txt", &letter), fill("letter.html", &letter)),
        Words::Digest(digest) => (fill("digest.txt", &digest), fill("digest.html", &digest)),
    }
}

fn header_block(bytes: &str) -> &str {
    bytes.split("\r\n\r\n").next().expect("a head")
}

fn every_kind(order: &OrderFacts) -> [MessageFacts; 4] {
    let note = order.last_note.clone().expect("the sample has one");
    [
        MessageFacts::Overdue(order.clone()),
        MessageFacts::OverdueDigest { orders: vec![order.clone(), self::order()], more: 3 },
        MessageFacts::Advanced {
            order: order.clone(),
            from_status: order.status_name.clone(),
            by: note.author.clone(),
            note: Some(note.clone()),
        },
        MessageFacts::NoteAdded { order: order.clone(), note },
    ]
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
        at("... and 37 more.") < at("You get this because you manage Milling shop, which has the order; the order is")
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
    for facts in every_kind(&hostile) {
        let message = render(&facts, &envelope).expect("addresses are fine");
        assert_eq!(names(&message.bytes), names(&calm.bytes), "no header more, none less");
        assert!(message.bytes.is_ascii() && !message.bytes.contains(&0));
        assert!(!message.subject.contains(|c: char| c.is_control() || c == '\u{202E}'), "{:?}", message.subject);
        let (plain, html) = texts(&facts);
        assert!(!html.contains("<script") && !html.contains("thief@example.com\r"), "{html}");
        assert!(!plain.contains(['\0', '\u{202E}', '\r']) && !html.contains(['\0', '\u{202E}']));
    }
}

#[test]
fn only_web_links_become_links() {
    let facts = MessageFacts::Overdue(OrderFacts { number: "A 1/{id}".into(), ..order() });
    let html = |pattern: &str| {
        fill(
            "letter.txt",
            match &wording::words(&facts, Some(pattern)).1 {
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
    for facts in every_kind(&long) {
        let message = render(&facts, &envelope()).expect("addresses are fine");
        assert!(message.subject.chars().count() <= 150, "{}", message.subject);
        assert!(message.bytes.len() < 20_000, "{} bytes", message.bytes.len());
        assert!(message.bytes.split(|byte| *byte == b'\n').all(|line| line.len() < 998));
        assert!(message.bytes.is_ascii());
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
