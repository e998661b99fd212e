//! German, as it is spoken on a shop floor: short, and with the words that are on the parts' papers.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use chrono_tz::Tz;

use super::{Badge, Counts, GivenBy, Label, Phrases, Scene, Step};
use crate::domain::{
    alerts::{
        event::Occurrence,
        message::{Given, Why},
        recipients,
    },
    note::NoteKind,
    order::DueCause,
    projection::Health,
};

pub(super) struct German;

const WEEKDAYS: [&str; 7] = ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"];
const MONTHS: [&str; 12] =
    ["Jan.", "Feb.", "März", "April", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."];

fn weekday(day: NaiveDate) -> &'static str {
    WEEKDAYS[day.weekday().num_days_from_monday() as usize]
}

fn short_day(day: NaiveDate) -> String {
    format!("{} {}. {}", weekday(day), day.day(), MONTHS[day.month0() as usize])
}

/// `1 Arbeitstag`, `2 Arbeitstage`.
fn working_days(count: u32) -> String {
    format!("{count} Arbeitstag{}", if count == 1 { "" } else { "e" })
}

/// After `seit`, `in`, `nach`: `2 Arbeitstagen`.
fn dative(count: u32) -> String {
    format!("{count} Arbeitstag{}", if count == 1 { "" } else { "en" })
}

fn orders(count: u32) -> String {
    if count == 1 { "1 Auftrag".to_owned() } else { format!("{count} Aufträge") }
}

fn in_brackets(days: u32) -> String {
    if days == 0 { String::new() } else { format!(" ({})", working_days(days)) }
}

fn health(health: Option<Health>) -> &'static str {
    match health {
        Some(Health::Ahead) => "vor dem Plan",
        Some(Health::OnTarget) => "im Plan",
        Some(Health::Late) => "zu spät",
        None => "unbekannt",
    }
}

fn wrote(kind: NoteKind) -> (&'static str, &'static str) {
    match kind {
        NoteKind::Note => ("Notiz", "hat eine Notiz geschrieben"),
        NoteKind::Question => ("Frage", "hat eine Frage gestellt"),
        NoteKind::Answer => ("Antwort", "hat eine Frage beantwortet"),
        NoteKind::Decision => ("Entscheidung", "hat entschieden"),
    }
}

/// Why nobody else could be told: decided in English, since it is stored.
fn fallback(text: &str) -> String {
    let one = |reason: &str| match reason {
        recipients::NOBODY_HAS_IT => "niemandem zugewiesen, und die Abteilung hat keine Leitung".to_owned(),
        recipients::NOBODY_OF_TRIGGER => "von denen, die der Auslöser nennt, ist niemand da".to_owned(),
        recipients::NOBODY_HAS_TASK => "niemand hat die Aufgabe, oder die Abteilung hat keine Leitung".to_owned(),
        recipients::NOBODY_OF_CALL => "in den genannten Abteilungen und Rollen ist niemand".to_owned(),
        _ => match (reason.strip_suffix(recipients::IS_INACTIVE), reason.strip_suffix(recipients::HAS_NO_ADDRESS)) {
            (Some(name), _) => format!("{name} ist nicht mehr aktiv"),
            (None, Some(name)) => format!("{name} hat keine Adresse"),
            (None, None) => reason.to_owned(),
        },
    };
    text.trim_end_matches('.').split("; ").map(one).collect::<Vec<_>>().join("; ")
}

impl German {
    fn overdue(&self, since: Option<NaiveDate>, days: u32) -> String {
        let since =
            since.map_or_else(|| "Überfällig".to_owned(), |since| format!("Überfällig seit {}", self.day(since)));
        format!("{since}: {}", self.working_days(days))
    }

    fn digest_parts(counts: &Counts) -> String {
        let part = |count: u32, text: String| (count > 0).then_some(text);
        let tasks = if counts.tasks == 1 { "überfällige Aufgabe" } else { "überfällige Aufgaben" };
        let parts: Vec<String> = [
            part(counts.orders, orders(counts.orders)),
            part(counts.new, format!("{} neu überfällig", counts.new)),
            part(counts.worse, format!("{} noch später", counts.worse)),
            part(counts.recovered, format!("{} aufgeholt", counts.recovered)),
            part(counts.tasks, format!("{} {tasks}", counts.tasks)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() { "nichts Neues".to_owned() } else { parts.join(", ") }
    }
}

impl Phrases for German {
    fn tag(&self) -> &'static str {
        "de"
    }

    fn badge(&self, badge: Badge) -> &'static str {
        match badge {
            Badge::Overdue => "ÜBERFÄLLIG",
            Badge::Escalation => "ESKALATION",
            Badge::DueSoon => "BALD FÄLLIG",
            Badge::Stale => "STILLSTAND",
            Badge::Created => "NEUER AUFTRAG",
            Badge::Moved => "WEITER",
            Badge::Left => "VERLASSEN",
            Badge::Note(NoteKind::Note) => "NOTIZ",
            Badge::Note(NoteKind::Question) => "FRAGE",
            Badge::Note(NoteKind::Answer) => "ANTWORT",
            Badge::Note(NoteKind::Decision) => "ENTSCHEIDUNG",
            Badge::Health(Some(Health::Ahead)) => "VOR DEM PLAN",
            Badge::Health(Some(Health::OnTarget)) => "IM PLAN",
            Badge::Health(Some(Health::Late)) => "WIRD ZU SPÄT",
            Badge::Health(None) => "STAND UNBEKANNT",
            Badge::DueDate => "NEUER TERMIN",
            Badge::Closed => "ABGESCHLOSSEN",
            Badge::Digest => "ÜBERSICHT",
            Badge::Storm => "VIEL AUF EINMAL",
            Badge::New => "NEU",
            Badge::Worse => "NOCH SPÄTER",
            Badge::Recovered => "AUFGEHOLT",
            Badge::Acknowledged => "QUITTIERT",
            Badge::Task => "AUFGABE",
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Status => "Status",
            Label::Due => "Fällig",
            Label::Holder => "Liegt bei",
            Label::OrderType => "Auftragsart",
            Label::CustomerReference => "Kundenreferenz",
            Label::Priority => "Priorität",
            Label::Escalation => "Eskalation",
            Label::Cause => "Grund",
            Label::LastNote(NoteKind::Note) => "Letzte Notiz",
            Label::LastNote(NoteKind::Question) => "Letzte Notiz, eine Frage",
            Label::LastNote(NoteKind::Answer) => "Letzte Notiz, eine Antwort",
            Label::LastNote(NoteKind::Decision) => "Letzte Notiz, eine Entscheidung",
            Label::TheNote(NoteKind::Note) => "Die Notiz",
            Label::TheNote(NoteKind::Question) => "Die Frage",
            Label::TheNote(NoteKind::Answer) => "Die Antwort",
            Label::TheNote(NoteKind::Decision) => "Die Entscheidung",
            Label::MoveNote => "Notiz dazu",
            Label::Steps => "Was jetzt zu tun ist",
            Label::OpenOrder => "Auftrag öffnen",
            Label::Ageing => "So lange überfällig",
            Label::Tasks => "Überfällige Aufgaben",
            Label::Order => "Auftrag",
            Label::Said => "Dazu gesagt",
            Label::DaysAreWorkingDays => "Das Dringendste zuerst; Tage sind Arbeitstage.",
            Label::Number => "NUMMER",
            Label::WhyTasks => "Sie überfällige Aufgaben haben",
        }
    }

    fn step(&self, step: Step) -> &'static str {
        match step {
            Step::Advance => "Fertig hier? Auftrag in den nächsten Status weiterschalten.",
            Step::NewDueDate => "Dauert es länger? Neuen Termin setzen.",
            Step::SayWhatIsMissing => "Geht es nicht weiter? Notiz schreiben: was fehlt, und wer kümmert sich?",
            Step::Acknowledge => "Gesehen und in Arbeit? Quittieren:",
            Step::Answer => "Sie wissen es? Mit einer Notiz zum Auftrag antworten.",
            Step::AddNote => "Etwas dazu zu sagen? Notiz zum Auftrag schreiben.",
            Step::Check => "Prüfen, bei wem er liegt und wann er fällig ist; was nicht stimmt, gleich ändern.",
            Step::Explain => "So kommt der Termin zustande:",
            Step::TellCustomer => "Nicht mehr aufzuholen? Allen Bescheid geben, die darauf warten.",
            Step::Nothing => "Nichts: nur zur Information.",
            Step::TaskDone => "Erledigt? Abhaken:",
            Step::TaskAssign => "Nicht Ihre Sache? Weitergeben an:",
            Step::ListOverdue => "Alles Überfällige ansehen:",
        }
    }

    fn day(&self, day: NaiveDate) -> String {
        format!("{} {}", short_day(day), day.year())
    }

    fn instant(&self, at: DateTime<Tz>) -> String {
        let day = self.day(at.date_naive());
        format!("{day}, {:02}:{:02} Uhr ({})", at.hour(), at.minute(), at.timezone().name())
    }

    fn working_days(&self, days: u32) -> String {
        if days == 0 { "weniger als ein Arbeitstag".to_owned() } else { working_days(days) }
    }

    fn days(&self, days: u32) -> String {
        match days {
            0 => "< 1 Tag".to_owned(),
            1 => "1 Tag".to_owned(),
            days => format!("{days} Tage"),
        }
    }

    fn days_late(&self, days: u32) -> String {
        format!("{} zu spät", self.days(days))
    }

    fn before(&self, days: u32) -> String {
        format!("vorher {}", self.days(days))
    }

    fn status_since(&self, status: &str, day: NaiveDate) -> String {
        format!("{status}, seit {}", self.day(day))
    }

    fn due(&self, due_on: Option<NaiveDate>, days_late: u32) -> String {
        let due = due_on.map_or_else(|| "kein Termin".to_owned(), |day| self.day(day));
        if days_late == 0 { due } else { format!("{due}, {} zu spät", working_days(days_late)) }
    }

    fn due_in_line(&self, due_on: Option<NaiveDate>) -> String {
        due_on.map_or_else(|| "kein Termin".to_owned(), |day| format!("fällig {}", self.day(day)))
    }

    fn holder(&self, assignee: Option<&str>, department: Option<&str>) -> String {
        match (assignee, department) {
            (Some(assignee), Some(department)) => format!("{assignee} ({department})"),
            (Some(assignee), None) => assignee.to_owned(),
            (None, Some(department)) => format!("{department}, niemandem persönlich"),
            (None, None) => "niemandem".to_owned(),
        }
    }

    fn escalation_step(&self, step: u32) -> String {
        format!("Stufe {step}")
    }

    fn due_cause(&self, occurrence: &Occurrence) -> String {
        let Occurrence::DueDateChanged { cause, by, .. } = occurrence else { return String::new() };
        match cause {
            Some(DueCause::Manual) => format!("von Hand gesetzt von {by}"),
            Some(DueCause::Cleared) => format!("{by} hat den von Hand gesetzten Termin gelöscht"),
            Some(DueCause::OrderDate) => "das Auftragsdatum ist neu".to_owned(),
            Some(DueCause::Cycle) => "die Zeiten der Auftragsart sind neu".to_owned(),
            Some(DueCause::DeliveryDate) => "der Liefertermin ist neu".to_owned(),
            Some(DueCause::Method) => "es wird anders terminiert".to_owned(),
            Some(DueCause::Calendar) => "der Kalender ist geändert".to_owned(),
            None => format!("durch eine andere Änderung von {by}"),
        }
    }

    fn verdict(&self, scene: &Scene<'_>) -> String {
        let status = scene.status;
        match scene.occurrence {
            Occurrence::OrderCreated { by } => format!("Angelegt von {by}, beginnt in {status}"),
            Occurrence::StatusEntered { from, by } if from.is_empty() => format!("{by} hat ihn in {status} gestellt"),
            Occurrence::StatusEntered { from, by } => format!("{by} hat ihn von {from} nach {status} weitergeschaltet"),
            Occurrence::StatusLeft { from, by } => {
                format!("{by} hat ihn aus {from} weitergeschaltet, jetzt in {status}")
            }
            Occurrence::DueSoon { days: 0 } => "Heute fällig".to_owned(),
            Occurrence::DueSoon { days } => {
                let due = scene.due_on.map_or_else(|| "Fällig".to_owned(), |day| format!("Fällig {},", self.day(day)));
                format!("{due} in {}", dative(*days))
            }
            Occurrence::StatusOverdue => self.overdue(scene.late_since, scene.days_late),
            Occurrence::Escalation { days, .. } => {
                format!("{}, und niemand hat es quittiert", self.overdue(scene.late_since, *days))
            }
            Occurrence::Stale { days, since } => {
                let since = self.instant(since.with_timezone(&scene.zone));
                format!("Seit {} ist nichts passiert, zuletzt {since}", dative(*days))
            }
            Occurrence::NoteAdded { note } => format!("{} {}", note.author, wrote(note.kind).1),
            Occurrence::HealthChanged { before: None, after } => format!("Jetzt {}", health(*after)),
            Occurrence::HealthChanged { before, after } => {
                format!("Jetzt {}, vorher {}", health(*after), health(*before))
            }
            Occurrence::DueDateChanged { before, after, .. } => match (before, after) {
                (Some(before), Some(after)) => format!("Fällig {}, vorher {}", self.day(*after), self.day(*before)),
                (None, Some(after)) => format!("Fällig {}, vorher ohne Termin", self.day(*after)),
                (Some(before), None) => format!("Kein Termin mehr, vorher {}", self.day(*before)),
                (None, None) => "Kein Termin".to_owned(),
            },
            Occurrence::OrderClosed { by } => format!("Abgeschlossen von {by}"),
        }
    }

    fn subject(&self, order: &str, scene: &Scene<'_>) -> String {
        let status = scene.status;
        let since = scene.late_since.map_or_else(String::new, |since| format!(" seit {}", short_day(since)));
        match scene.occurrence {
            Occurrence::OrderCreated { .. } => format!("{order}: neuer Auftrag"),
            Occurrence::StatusEntered { from, .. } if from.is_empty() => format!("{order}: beginnt in {status}"),
            Occurrence::StatusEntered { from, .. } => format!("{order}: von {from} nach {status}"),
            Occurrence::StatusLeft { from, .. } => format!("{order}: {from} verlassen"),
            Occurrence::DueSoon { days: 0 } => format!("HEUTE FÄLLIG: {order}, {status}"),
            Occurrence::DueSoon { days } => {
                let due = scene.due_on.map_or_else(String::new, |day| format!(" {}", short_day(day)));
                format!("BALD FÄLLIG: {order}, {status}{due}, in {}", dative(*days))
            }
            Occurrence::StatusOverdue => {
                format!("ÜBERFÄLLIG: {order}, {status}{since}{}", in_brackets(scene.days_late))
            }
            Occurrence::Escalation { days, step } => {
                format!("ESKALATION {step}: {order}, {status} überfällig{since}{}", in_brackets(*days))
            }
            Occurrence::Stale { days, .. } => {
                format!("STILLSTAND: {order}, {status}, nichts seit {}", dative(*days))
            }
            Occurrence::NoteAdded { note } => format!("{order}: {} von {}", wrote(note.kind).0, note.author),
            Occurrence::HealthChanged { after, .. } => format!("{order}: jetzt {}", health(*after)),
            Occurrence::DueDateChanged { after: Some(after), .. } => {
                format!("{order}: jetzt fällig {}", short_day(*after))
            }
            Occurrence::DueDateChanged { after: None, .. } => format!("{order}: kein Termin mehr"),
            Occurrence::OrderClosed { .. } => format!("{order}: abgeschlossen"),
        }
    }

    fn news(&self, scene: &Scene<'_>) -> String {
        match scene.occurrence {
            Occurrence::Escalation { days, step } => format!("Eskalation, Stufe {step}, nach {}", dative(*days)),
            Occurrence::NoteAdded { note } => format!("{}, {}: {}", note.author, wrote(note.kind).0, note.text),
            Occurrence::DueDateChanged { .. } => {
                format!("{} ({})", self.verdict(scene), self.due_cause(scene.occurrence))
            }
            Occurrence::OrderCreated { .. }
            | Occurrence::StatusEntered { .. }
            | Occurrence::StatusLeft { .. }
            | Occurrence::DueSoon { .. }
            | Occurrence::StatusOverdue
            | Occurrence::Stale { .. }
            | Occurrence::HealthChanged { .. }
            | Occurrence::OrderClosed { .. } => self.verdict(scene),
        }
    }

    fn note_goes_on(&self) -> &'static str {
        "Die Notiz ist länger. Ganz lesen:"
    }

    fn about_status(&self, status: &str) -> String {
        format!("Zum Status {status}")
    }

    fn why(&self, why: &Why) -> String {
        match why {
            Why::Assignee => "Ihnen der Auftrag zugewiesen ist".to_owned(),
            Why::ManagerOf(department) => format!("Sie die Abteilung {department} leiten, bei der der Auftrag liegt"),
            Why::Fallback(text) => format!("sonst niemand zu erreichen war ({})", fallback(text)),
            Why::MemberOf(department) => {
                format!("Sie in der Abteilung {department} arbeiten, bei der der Auftrag liegt")
            }
            Why::Follower => "Sie dem Auftrag folgen".to_owned(),
            Why::Trigger(trigger) => format!("der Auslöser „{trigger}“ Sie nennt"),
            Why::Notified => "jemand wollte, dass Sie es erfahren".to_owned(),
        }
    }

    fn you_get_this(&self, whys: &[String]) -> String {
        format!("Sie bekommen diese Mail, weil {}.", whys.join("; weil "))
    }

    fn told_by(&self, trigger: &str) -> String {
        format!("Gemeldet vom Auslöser „{trigger}“.")
    }

    fn digest_headline(&self, counts: &Counts) -> String {
        Self::digest_parts(counts)
    }

    fn digest_subject(&self, counts: &Counts, worst: Option<(&str, u32)>) -> String {
        let head = if counts.storm { "Viel auf einmal" } else { "Übersicht" };
        let worst =
            worst.map_or_else(String::new, |(order, days)| format!("; am längsten {order}{}", in_brackets(days)));
        format!("{head}: {}{worst}", Self::digest_parts(counts))
    }

    fn overdue_headline(&self, count: u32) -> String {
        format!("{} überfällig", if count == 1 { "1 Auftrag ist".to_owned() } else { format!("{count} Aufträge sind") })
    }

    fn overdue_subject(&self, count: u32, worst: Option<(&str, u32)>) -> String {
        let worst =
            worst.map_or_else(String::new, |(order, days)| format!(", am längsten {order}{}", in_brackets(days)));
        format!("ÜBERFÄLLIG: {}{worst}", orders(count))
    }

    fn group(&self, department: &str, order_type: &str) -> String {
        let department = if department.is_empty() { "Ohne Abteilung" } else { department };
        if order_type.is_empty() { department.to_owned() } else { format!("{department} · {order_type}") }
    }

    fn more(&self, count: u32) -> String {
        if count == 1 { "… und 1 weiterer.".to_owned() } else { format!("… und {count} weitere.") }
    }

    fn unchanged(&self, count: u32) -> String {
        if count == 1 {
            "1 anderer Auftrag ist überfällig wie zuvor.".to_owned()
        } else {
            format!("{count} andere Aufträge sind überfällig wie zuvor.")
        }
    }

    fn acknowledged(&self, by: &str, note: &str, until: Option<DateTime<Tz>>) -> String {
        let until = until.map_or_else(String::new, |until| format!(" bis {}", self.instant(until)));
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        format!("Quittiert von {by}{until}{note}")
    }

    fn age(&self, from: u32, to: Option<u32>) -> String {
        match to {
            Some(1) => "bis 1 Tag".to_owned(),
            Some(to) => format!("{from}–{to} Tage"),
            None => format!("über {} Tage", from - 1),
        }
    }

    fn storm(&self) -> &'static str {
        "Es ist so viel auf einmal passiert, dass alles in einer Mail kommt. Nichts fehlt."
    }

    fn task_about(&self, order: &str, due_on: Option<NaiveDate>, department: &str) -> String {
        let order = (!order.is_empty()).then(|| format!("Auftrag {order}"));
        let department = (!department.is_empty()).then(|| department.to_owned());
        [order, Some(self.due_in_line(due_on)), department].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    fn task_verdict(&self, given: Given, by: GivenBy<'_>) -> String {
        let by = match by {
            GivenBy::Person(name) => name.to_owned(),
            GivenBy::Trigger(name) => format!("dem Auslöser „{name}“"),
        };
        match given {
            Given::Made => format!("Neue Aufgabe von {by}"),
            Given::Reassigned => format!("Übergeben von {by}"),
            Given::Reopened => format!("Wieder zu erledigen: neu geöffnet von {by}"),
        }
    }

    fn task_subject(&self, title: &str, order: &str, due_on: Option<NaiveDate>) -> String {
        let order = if order.is_empty() { String::new() } else { format!(" ({order})") };
        let due = due_on.map_or_else(String::new, |day| format!(", fällig {}", short_day(day)));
        format!("AUFGABE: {title}{order}{due}")
    }

    fn task_why(&self, why: &Why) -> String {
        match why {
            Why::Assignee => "es Ihre Aufgabe ist".to_owned(),
            Why::ManagerOf(department) => format!("Sie die Abteilung {department} leiten, bei der die Aufgabe liegt"),
            why => self.why(why),
        }
    }
}
