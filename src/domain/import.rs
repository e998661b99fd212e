//! Import: an order enters with its past, checked like everything else.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    advance,
    create::{NewOrder, blank},
    note::{NOTE_MAX, Note, NoteKind},
    order::{Context, Decision, Effects, HistoryDetail, HistoryKind},
    plan::check_delivery,
    refusal::{Kind, Refusal},
    schedule,
    step::{Step, enter, step},
    violation::Violations,
};

/// Visits of one imported order.
pub const VISITS_MAX: usize = 1_000;
/// From an import to the first digest, at least.
pub const DIGEST_PAUSE: TimeDelta = TimeDelta::seconds(15);
/// Notes of one imported order.
pub const NOTES_MAX: usize = 10_000;

/// A note of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedNote {
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
}

/// A visit of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedVisit {
    /// Id of the status.
    pub status: String,
    /// When it was entered.
    pub entered_at: DateTime<Utc>,
    /// What was written during it.
    pub notes: Vec<ImportedNote>,
    /// Left not complete.
    pub not_complete: bool,
}

/// An order with its past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedOrder {
    /// Its fields.
    pub order: NewOrder,
    /// Its visits in the order of entry.
    pub visits: Vec<ImportedVisit>,
    /// Hash over all of it: tells a repetition from a difference. 32 bytes.
    pub fingerprint: Vec<u8>,
}

impl ImportedOrder {
    /// Finds all wrong fields, as far as they can be judged without the catalogue and the clock.
    pub fn check(&self, v: &mut Violations) {
        v.within("order.", |v| self.order.check(v));
        if self.visits.is_empty() || self.visits.len() > VISITS_MAX {
            v.add("visits", format!("has {} visits; 1 to {VISITS_MAX} are allowed", self.visits.len()));
        }
        let notes: usize = self.visits.iter().map(|visit| visit.notes.len()).sum();
        if notes > NOTES_MAX {
            v.add("visits", format!("have {notes} notes together; at most {NOTES_MAX} are allowed"));
        }
        let mut before = DateTime::<Utc>::MIN_UTC;
        let mut note_before = DateTime::<Utc>::MIN_UTC;
        for (index, visit) in self.visits.iter().enumerate().take(VISITS_MAX) {
            v.within(&format!("visits[{index}]."), |v| {
                v.id("status", &visit.status);
                if visit.entered_at < before {
                    v.add("enter_time", "lies before the visit before it");
                }
                for (place, note) in visit.notes.iter().enumerate() {
                    v.within(&format!("notes[{place}]."), |v| {
                        v.line("author", &note.author, 1, 100);
                        v.text("text", &note.text, 1, NOTE_MAX);
                        if note.at < note_before {
                            v.add("time", "lies before the note before it");
                        }
                    });
                    note_before = note.at;
                }
            });
            before = visit.entered_at;
        }
    }
}

/// What became of an imported order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The number is free.
    No,
    /// The same order with the same past is in.
    Same,
    /// An order of this number is in, and differs.
    Differs,
}

/// Decides an import: `None` when the same order is in already.
///
/// # Errors
/// `ImportDiffers`, `NotFound`, `DeliveryDateRequired`, `Inactive`, `Invalid` (an instant in the future), `BeyondHorizon`.
pub fn import(request: &ImportedOrder, known: Known, cx: &mut Context<'_>) -> Result<Option<Decision>, Refusal> {
    match known {
        Known::No => {}
        Known::Same => return Ok(None),
        Known::Differs => return Err(Refusal::ImportDiffers { number: request.order.number.clone() }),
    }
    let order_type = cx.catalogue.order_type(&request.order.order_type)?;
    let calendar = cx.catalogue.calendar_of(order_type)?;
    check_future(request, cx)?;
    let Some(first) = request.visits.first() else { return Err(Refusal::Invalid(Vec::new())) };
    let first_on = schedule::local_date(calendar, first.entered_at);
    let ordered_on = request.order.ordered_on.unwrap_or(first_on);
    let mut order = blank(&request.order, cx.ids.next(cx.now), ordered_on, cx.now, order_type);
    check_delivery(&order, order_type, cx.catalogue)?;
    order.import_fingerprint = Some(request.fingerprint.clone());
    order.imported_at = Some(cx.now);
    let (mut visits, mut notes, mut history) = (Vec::new(), Vec::new(), Vec::new());
    let mut not_complete = false;
    for (index, past) in request.visits.iter().enumerate() {
        let target = order_type
            .status(&past.status)
            .ok_or_else(|| Refusal::NotFound { kind: Kind::Status, id: past.status.clone() })?;
        if index > 0 && target.id == order.visit.status {
            return Err(Refusal::SameStatus { status: target.id.clone() });
        }
        advance::assign(
            &mut order,
            target,
            request.order.assigned_department.as_deref(),
            request.order.assigned_user.as_deref(),
            cx,
        )?;
        let move_to = Step {
            target,
            at: past.entered_at,
            on: schedule::local_date(calendar, past.entered_at),
            not_complete,
            due_on: None,
            record_skips: false,
            actor: cx.actor,
            acted_for: "",
        };
        let (kind, closed) = if index == 0 {
            enter(&mut order, order_type, cx.catalogue, move_to, 1)?;
            (HistoryKind::Created, None)
        } else {
            let stepped = step(&mut order, order_type, cx.catalogue, move_to)?;
            visits.extend(stepped.closed.clone());
            (HistoryKind::Advanced, stepped.closed)
        };
        not_complete = past.not_complete;
        let detail = HistoryDetail { closed, opened: Some(order.visit.clone()), ..HistoryDetail::default() };
        let mut entry = order.record(kind, past.entered_at, cx.actor, "", detail);
        entry.imported = true;
        history.push(entry);
        for past in &past.notes {
            let note = Note {
                id: cx.ids.next(cx.now),
                author: past.author.clone(),
                at: past.at,
                text: past.text.clone(),
                kind: NoteKind::Note,
                answers: None,
                assessment: None,
            };
            let detail = HistoryDetail { note: Some(note.clone()), ..HistoryDetail::default() };
            let mut entry = order.record(HistoryKind::Noted, past.at, cx.actor, "", detail);
            entry.imported = true;
            history.push(entry);
            order.last_note = Some(note.cut());
            notes.push(note);
        }
    }
    if let Some(at) = order.next_alarm_at {
        order.next_alarm_at = Some(at.max(first_digest_at(cx.now)));
    }
    visits.push(order.visit.clone());
    let effects = Effects { opened: Some(order.visit.clone()), ..Effects::default() };
    Ok(Some(Decision { created: true, effects, visits, notes, history, ..Decision::of(order) }))
}

/// When an order that is overdue on import is told: on a full minute, at least `DIGEST_PAUSE` after the import, so that the
/// orders of one stream are told together.
fn first_digest_at(now: DateTime<Utc>) -> DateTime<Utc> {
    let earliest = now + DIGEST_PAUSE;
    let past_minute = earliest.timestamp().rem_euclid(60);
    earliest.trunc_subsecs(0) + TimeDelta::seconds((60 - past_minute) % 60)
}

fn check_future(request: &ImportedOrder, cx: &Context<'_>) -> Result<(), Refusal> {
    let mut violations = Violations::new();
    for (index, visit) in request.visits.iter().enumerate() {
        if visit.entered_at > cx.now {
            violations.add(&format!("visits[{index}].enter_time"), "lies in the future");
        }
        for (place, note) in visit.notes.iter().enumerate() {
            if note.at > cx.now {
                violations.add(&format!("visits[{index}].notes[{place}].time"), "lies in the future");
            }
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal::Invalid(violations.into_found())) }
}
