//! Plant files: what `andon apply` shows is what it does, a second run writes nothing, and an export is the same file again.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use andon::grpc::proto::v1;
use serde_json::Value;

use crate::support::{
    Api, Daemon, Database, Expect as _, Options, TestClock,
    api::{advance_to, day},
};

/// A Monday, 09:00 in Vienna.
const NOW: &str = "2026-03-02T08:00:00Z";

const PLANT: &str = r##"
stages = [{ id = "cut", name = "Cutting" }, { id = "done", name = "Done", colour = "#00ff00" }]

[[calendars]]
id = "vienna"
name = "Vienna"
zone = "Europe/Vienna"
week = { monday = "open", tuesday = "open", wednesday = "open", thursday = "open", friday = ["07:00-13:00"] }
exceptions = [{ name = "Christmas", from = "12-25", to = "12-26" }]

[[users]]
id = "anna"
name = "Anna \"the saw\" Müller"
email = "anna@plant.example"
roles = ["reporter"]
language = "de-AT"

[[users]]
id = "erika"
name = "Erika"
roles = ["manager"]

[[departments]]
id = "workshop"
name = "Workshop"
managers = ["erika"]
members = ["anna"]

[[triggers]]
id = "escalate"
name = "Two days late"
event = "ESCALATION"
days = 2
order_types = ["job"]
condition = { labels = { "a b" = "c" }, priority_min = 5 }
actions = [
  { email = { body = "Line one\nline two", to = { assignee = true, roles = ["MANAGER"] } } },
  { task = { department = "workshop", title = "Call about {{ order.number }}" } },
]

[[types]]
id = "job"
name = "Job"
description = "From the saw\nto the truck."
calendar = "vienna"
health_tolerance_business_days = 1
statuses = [
  { id = "planned", name = "Planned", kind = "initial", duration_business_days = 1 },
  { id = "sawing", name = "Sawing", stage = "cut", icon = "cut", department = "workshop", duration_business_days = 2 },
  { id = "milling", name = "Milling", stage = "cut", department = "workshop", duration_business_days = 3 },
  { id = "checking", name = "Checking", duration_business_days = 1 },
  { id = "shipped", name = "Shipped", kind = "final", stage = "done" },
  { id = "on-hold", name = "On hold", kind = "non-standard", clock = "pauses" },
  { id = "cancelled", name = "Cancelled", kind = "non-standard", clock = "stops" },
]
"##;

/// A daemon without any data.
struct Plant {
    api: Api,
    daemon: Daemon,
    _clock: TestClock,
    _database: Database,
}

/// What the program printed, and its exit code.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Plant {
    async fn empty() -> Self {
        let database = Database::create();
        let clock = TestClock::standing_at(NOW);
        let daemon = Daemon::start(&database, Options::new().clock(&clock)).await;
        Self { api: daemon.api(), daemon, _clock: clock, _database: database }
    }

    async fn made() -> Self {
        let plant = Self::empty().await;
        plant.apply(PLANT, &["--yes"]).with_code(0);
        plant
    }

    fn run(&self, arguments: &[&str], stdin: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_andon"))
            .args(["--server", &self.daemon.address])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("andon runs");
        // A command line that is refused reads nothing.
        let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("andon ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code().expect("an exit code"), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Applies a file.
    fn apply(&self, file: &str, more: &[&str]) -> Said {
        self.run(&[&["apply", "-f", "-"], more].concat(), file)
    }

    fn export(&self) -> String {
        self.run(&["export-config"], "").with_code(0).out
    }

    /// The version of everything.
    async fn etags(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let types = v1::ListOrderTypesRequest { include_inactive: true };
        for it in self.api.types().list_order_types(types).await.done().order_types {
            all.insert(format!("type {}", it.id), it.etag);
        }
        for it in self.api.calendars().list_calendars(v1::ListCalendarsRequest {}).await.done().calendars {
            all.insert(format!("calendar {}", it.id), it.etag);
        }
        let users = v1::ListUsersRequest { include_inactive: true };
        for it in self.api.people().list_users(users).await.done().users {
            all.insert(format!("user {}", it.id), it.etag);
        }
        let departments = v1::ListDepartmentsRequest { include_inactive: true };
        for it in self.api.people().list_departments(departments).await.done().departments {
            all.insert(format!("department {}", it.id), it.etag);
        }
        let stages = self.api.types().list_stages(v1::ListStagesRequest {}).await.done();
        all.insert("stages".to_owned(), stages.etag);
        all
    }

    async fn order_in(&self, number: &str, statuses: &[&str]) {
        let order = v1::NewOrder { number: number.into(), order_type: "job".into(), ..v1::NewOrder::default() };
        self.api.create(order).await;
        for status in statuses {
            self.api.advance(advance_to(number, status)).await;
        }
    }
}

impl Said {
    #[track_caller]
    fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_plant_is_made_from_a_file_and_a_second_run_writes_nothing() {
    let plant = Plant::empty().await;
    let first = plant.apply(PLANT, &["--yes"]).with_code(0);
    assert!(
        first.out.contains("+ create user anna") && first.out.contains("Applied: 6 created, 1 changed"),
        "{}",
        first.out
    );
    assert!(first.err.contains("created type job"), "{}", first.err);
    let before = plant.etags().await;
    assert_eq!(before.len(), 6);
    let second = plant.apply(PLANT, &["--yes"]).with_code(0);
    assert_eq!(second.out, "Not in the file, and left as it is: trigger overdue\nNothing changes: 7 unchanged.\n");
    plant.apply(PLANT, &[]).with_code(0);
    plant.apply(PLANT, &["--check"]).with_code(0);
    assert_eq!(plant.etags().await, before);
    let job = v1::GetOrderTypeRequest { id: "job".into() };
    let job = plant.api.types().get_order_type(job).await.done().order_type.expect("there");
    assert_eq!((job.statuses.len(), job.health_tolerance_business_days), (7, 1));
    assert_eq!((job.statuses[1].icon.as_str(), job.statuses[1].stage.as_str()), ("cut", "cut"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_changes_nothing_and_without_a_terminal_somebody_has_to_say_yes() {
    let plant = Plant::made().await;
    let before = plant.etags().await;
    let after =
        PLANT.replace("name = \"Sawing\"", "name = \"Band saw\"").replace("name = \"Erika\"", "name = \"Erika B.\"");
    for flag in ["--preview", "--dry-run"] {
        let shown = plant.apply(&after, &[flag]).with_code(0);
        assert!(shown.out.contains("statuses.sawing.name: \"Sawing\" -> \"Band saw\""), "{}", shown.out);
        assert!(shown.out.contains("0 to create, 2 to change, 5 unchanged."), "{}", shown.out);
    }
    plant.apply(&after, &["--check"]).with_code(6);
    let refused = plant.apply(&after, &[]).with_code(2);
    assert!(refused.err.contains("--yes") && refused.out.contains("~ change user erika"), "{}", refused.err);
    plant.apply(&after, &["--json"]).with_code(2);
    assert_eq!(plant.etags().await, before);
    let wrong = plant.apply(&after.replace("icon =", "ikon ="), &["--yes"]).with_code(2);
    assert!(wrong.err.contains("standard input") && wrong.err.contains("line 49, column"), "{}", wrong.err);
    plant.apply(&after.replace("[\"erika\"]", "[\"ghost\"]"), &["--yes"]).with_code(2);
    assert_eq!(plant.etags().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_move_exactly_as_the_plan_showed() {
    let plant = Plant::made().await;
    plant.order_in("W-1", &[]).await;
    plant.order_in("W-2", &["sawing"]).await;
    plant.order_in("W-3", &["sawing", "milling"]).await;
    plant.order_in("W-4", &["milling", "on-hold"]).await;
    plant.order_in("W-5", &["sawing", "milling", "checking", "shipped"]).await;
    let sawing = "  { id = \"sawing\", name = \"Sawing\", stage = \"cut\", icon = \"cut\", department = \"workshop\", duration_business_days = 2 },\n";
    let checking = "  { id = \"checking\", name = \"Checking\", duration_business_days = 1 },\n";
    let milling = "  { id = \"milling\", name = \"Milling\", stage = \"cut\", department = \"workshop\", duration_business_days = 3 },\n";
    // Milling is renamed and takes longer, checking goes before it, deburring is new, sawing goes.
    let milled = milling.replace("\"Milling\"", "\"5-axis milling\"").replace("= 3", "= 5");
    let inserted = "  { id = \"deburring\", name = \"Deburring\", duration_business_days = 1 },\n";
    let after =
        PLANT.replace(checking, "").replace(milling, &format!("{checking}{milled}{inserted}")).replace(sawing, "");
    assert!(after.contains("deburring") && !after.contains("id = \"sawing\""));

    let refused = plant.apply(&after, &["--yes"]).with_code(1);
    assert!(refused.out.contains("IN_USE") && refused.out.contains("replacements ="), "{}", refused.out);
    assert_eq!(plant.api.status("W-2").await, "sawing");

    let after = after.replace("statuses = [", "replacements = { sawing = \"milling\" }\nstatuses = [");
    let shown = plant.apply(&after, &["--json", "--preview", "--apply-to-open"]).with_code(0).json();
    let plan = &shown["steps"][0]["effects"]["plan"];
    assert_eq!((shown["change"].as_i64(), plan["moved_orders"].as_i64()), (Some(1), Some(1)), "{shown}");
    let fields: Vec<_> =
        shown["steps"][0]["changes"].as_array().expect("a list").iter().map(|it| &it["field"]).collect();
    for field in ["statuses.sawing", "statuses.deburring", "statuses.milling.name", "order of the statuses"] {
        assert!(fields.iter().any(|it| *it == field), "{field}: {fields:?}");
    }
    let mut due = BTreeMap::new();
    for number in ["W-1", "W-2", "W-3", "W-4", "W-5"] {
        let visit = plant.api.get(number).await.visit.expect("a visit");
        due.insert(number, (visit.status, day(visit.due_date)));
    }
    let applied = plant.apply(&after, &["--json", "--yes", "--apply-to-open"]).with_code(0).json();
    assert_eq!(applied["steps"][0]["effects"]["plan"], *plan, "what was done is what was shown");
    for example in plan["examples"].as_array().expect("a list") {
        let number = example["number"].as_str().expect("a number");
        let shown = |key: &str| example[key].as_str().unwrap_or_default().to_owned();
        let date = |key: &str| {
            let part = |part: &str| example[key][part].as_i64().unwrap_or_default();
            let none = example[key].is_null();
            if none { String::new() } else { format!("{:04}-{:02}-{:02}", part("year"), part("month"), part("day")) }
        };
        assert_eq!(due.remove(number), Some((shown("from_status"), date("due_date_before"))), "{number}");
        let visit = plant.api.get(number).await.visit.expect("a visit");
        assert_eq!((visit.status, day(visit.due_date)), (shown("to_status"), date("due_date_after")), "{number}");
    }
    assert!(!due.contains_key("W-2") && !due.contains_key("W-3"), "they are touched: {due:?}");
    for (number, before) in due {
        let visit = plant.api.get(number).await.visit.expect("a visit");
        assert_eq!((visit.status, day(visit.due_date)), before, "{number} is not touched");
    }
    assert_eq!(
        plant.apply(&after, &["--yes"]).with_code(0).out,
        "Not in the file, and left as it is: trigger overdue\nNothing changes: 7 unchanged.\n"
    );
    // The id stands for what it was, also for the plant file.
    let again = plant.apply(PLANT, &["--yes"]).with_code(1);
    assert!(again.out.contains("CYCLE_BROKEN"), "{}", again.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_the_same_file_again_on_any_plant() {
    let plant = Plant::made().await;
    // Who is inactive and still named, in the past of this plant.
    let gone = PLANT.replace("name = \"Erika\"", "name = \"Erika\"\ninactive = true");
    plant.apply(&gone, &["--yes"]).with_code(0);
    let moves =
        "moves = [{ to = \"planned\" }, { from = \"planned\", to = \"sawing\", roles = [\"planner\", \"manager\"] }]\n";
    let types = format!("{}{moves}", &gone[gone.find("[[types]]").expect("there")..]);
    let other = types.replace("id = \"job\"", "id = \"another\"\ninactive = true");
    plant.apply(&(types + "\n" + &other), &["--yes"]).with_code(0);

    let exported = plant.export();
    assert_eq!(exported, plant.export());
    assert_eq!(plant.apply(&exported, &["--yes"]).with_code(0).out, "Nothing changes: 9 unchanged.\n");
    let elsewhere = Plant::empty().await;
    elsewhere.apply(&exported, &["--yes"]).with_code(0);
    assert_eq!(elsewhere.export(), exported);
    let before = elsewhere.etags().await;
    elsewhere.apply(&exported, &["--yes"]).with_code(0);
    assert_eq!(elsewhere.etags().await, before);

    let folder = tempfile();
    let file = folder.join("plant.toml");
    let file = file.to_str().expect("a plain path");
    plant.run(&["export-config", "-o", file], "").with_code(0);
    assert_eq!(std::fs::read_to_string(file).expect("written"), exported);
    plant.run(&["apply", "-f", file, "--check"], "").with_code(0);
    std::fs::remove_dir_all(folder).expect("removed");
}

fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("andon-apply-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_midway_is_told_and_the_next_run_goes_on_from_there() {
    let plant = Plant::empty().await;
    // Only the daemon sees this, and only when the calendar is there.
    let two_ends = PLANT.replace("name = \"Checking\"", "name = \"Checking\", kind = \"final\"");
    let later = two_ends.replace("[[types]]", "[[types]]\nid = \"a\"\nname = \"A\"\ncalendar = \"vienna\"\nstatuses = [{ id = \"x\", name = \"X\", kind = \"initial\" }, { id = \"y\", name = \"Y\", kind = \"final\" }]\n\n[[types]]");
    let last = later.replace("[[types]]\nid = \"a\"", "[[types]]\nid = \"z\"");
    let shown = plant.apply(&last, &["--preview"]).with_code(0);
    assert!(shown.out.contains("to be checked when what it needs is there: calendar vienna"), "{}", shown.out);
    let stopped = plant.apply(&last, &["--yes"]).with_code(5);
    assert!(stopped.out.contains("Stopped at type job.") && stopped.out.contains("CYCLE_BROKEN"), "{}", stopped.out);
    assert!(stopped.out.contains("Not reached: type z") && stopped.out.contains("user anna, erika"), "{}", stopped.out);
    let made = plant.etags().await;
    assert!(made.contains_key("department workshop") && !made.contains_key("type job"), "{made:?}");
    let right = last.replace("name = \"Checking\", kind = \"final\"", "name = \"Checking\"");
    let done = plant.apply(&right, &["--yes"]).with_code(0);
    assert!(done.out.contains("Applied: 3 created, 0 changed, 5 unchanged."), "{}", done.out);
    let after = plant.etags().await;
    assert!(made.iter().all(|(key, etag)| after[key] == *etag), "{made:?} {after:?}");

    let told =
        plant.apply(&last.replace("\"job\"", "\"other\"").replace("\"vienna\"", "\"graz\""), &["--yes", "--json"]);
    let told = told.with_code(5).json();
    let states: Vec<_> = told["steps"].as_array().expect("a list").iter().map(|it| it["state"].clone()).collect();
    assert!(states.iter().any(|it| it == "refused") && states[0] == "done", "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_foreseen_is_shown_when_it_is_its_turn() {
    let plant = Plant::made().await;
    plant.order_in("W-1", &["sawing"]).await;
    let start = PLANT.find("  { id = \"sawing\"").expect("there");
    let end = start + PLANT[start..].find('\n').expect("a line") + 1;
    let after = format!("{}{}", &PLANT[..start], &PLANT[end..])
        .replace("statuses = [", "replacements = { sawing = \"checking\" }\nstatuses = [")
        .replace("name = \"Checking\"", "name = \"Checking\", department = \"quality\"")
        .replace("[[types]]", "[[departments]]\nid = \"quality\"\nname = \"Quality\"\n\n[[types]]");
    let shown = plant.apply(&after, &["--preview"]).with_code(0);
    assert!(shown.out.contains("to be checked when what it needs is there: department quality"), "{}", shown.out);
    assert!(!shown.out.contains("live orders"), "{}", shown.out);
    let done = plant.apply(&after, &["--yes"]).with_code(0);
    let expected =
        ["created department quality", "live orders: 1 moves", "W-1: sawing -> checking", "changed type job: 1 moves"];
    assert!(expected.iter().all(|line| done.err.contains(line)), "{}", done.err);
    assert_eq!(plant.api.status("W-1").await, "checking");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_leaves_is_taken_out_of_everything_first() {
    let plant = Plant::made().await;
    let erika = "[[users]]\nid = \"erika\"\nname = \"Erika\"\n";
    let after = PLANT
        .replace(erika, &format!("{erika}inactive = true\n"))
        .replace("managers = [\"erika\"]", "managers = [\"nora\"]")
        .replace("[[departments]]", "[[users]]\nid = \"nora\"\nname = \"Nora\"\n\n[[departments]]");
    let done = plant.apply(&after, &["--yes"]).with_code(0);
    let lines: Vec<_> = done.err.lines().collect();
    assert_eq!(lines, ["created user nora", "changed department workshop", "changed user erika"]);
    assert_eq!(
        plant.apply(&after, &["--yes"]).with_code(0).out,
        "Not in the file, and left as it is: trigger overdue\nNothing changes: 8 unchanged.\n"
    );
    // What a file does not name stays.
    let only = "[[users]]\nid = \"nora\"\nname = \"Nora N.\"\n";
    let shown = plant.apply(only, &["--yes"]).with_code(0);
    assert!(
        shown.out.contains("left as it is: calendar vienna; user anna, erika; department workshop; type job"),
        "{}",
        shown.out
    );
    assert_eq!(plant.etags().await.len(), 7);
}

/// A calendar of many exceptions: what is said of it fills the pipe that nobody reads.
fn long_calendar(name: &str) -> String {
    let one = |number: usize| format!("  {{ name = \"{} {number}\", from = \"2030-01-01\" }},\n", name.repeat(60));
    let exceptions: String = (0..1000).map(one).collect();
    format!(
        "\n[[calendars]]\nid = \"long\"\nname = \"Long\"\nzone = \"UTC\"\nweek = {{ monday = \"open\" }}\nexceptions = [\n{exceptions}]\n"
    )
}

impl Plant {
    /// Applies a file; when its plan has begun to be shown, `meanwhile` happens, and only then the plan is read to its end.
    async fn apply_while(&self, file: &str, meanwhile: impl Future<Output = ()>) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_andon"))
            .args(["--server", &self.daemon.address, "apply", "-f", "-", "--yes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("andon runs");
        child.stdin.take().expect("piped").write_all(file.as_bytes()).expect("the file is read");
        let mut first = [0; 1];
        child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("the plan is shown");
        meanwhile.await;
        let output = child.wait_with_output().expect("andon ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code().expect("an exit code"), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let plant = Plant::made().await;
    plant.apply(&long_calendar("a"), &["--yes"]).with_code(0);
    let renamed = PLANT.replace("name = \"Job\"", "name = \"Work\"");
    let stopped = plant
        .apply_while(&(renamed.clone() + &long_calendar("b")), async {
            let order_type = v1::OrderType { id: "job".into(), name: "Theirs".into(), ..v1::OrderType::default() };
            let mask = prost_types::FieldMask { paths: vec!["name".into()] };
            let request = v1::UpdateOrderTypeRequest {
                order_type: Some(order_type),
                update_mask: Some(mask),
                ..v1::UpdateOrderTypeRequest::default()
            };
            plant.api.types().update_order_type(request).await.done();
        })
        .await
        .with_code(5);
    assert!(stopped.out.contains("ETAG_MISMATCH") && stopped.out.contains("Somebody changed it"), "{}", stopped.out);
    assert!(plant.export().contains("name = \"Theirs\""));
    plant.apply(&renamed, &["--yes"]).with_code(0);

    plant.order_in("W-1", &["sawing"]).await;
    let start = renamed.find("  { id = \"sawing\"").expect("there");
    let end = start + renamed[start..].find('\n').expect("a line") + 1;
    let gone = format!("{}{}", &renamed[..start], &renamed[end..]);
    let gone = gone.replace("statuses = [", "replacements = { sawing = \"milling\" }\nstatuses = [");
    let stopped =
        plant.apply_while(&(gone.clone() + &long_calendar("c")), plant.order_in("W-2", &["sawing"])).await.with_code(5);
    assert!(stopped.out.contains("PLAN_CHANGED") && stopped.out.contains("Somebody changed it"), "{}", stopped.out);
    assert_eq!((plant.api.status("W-1").await, plant.api.status("W-2").await), ("sawing".into(), "sawing".into()));
    plant.apply(&gone, &["--yes"]).with_code(0);
    assert_eq!((plant.api.status("W-1").await, plant.api.status("W-2").await), ("milling".into(), "milling".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_plant_is_exported_and_made_again() {
    let plant = Plant::empty().await;
    let first = plant.run(&["seed"], "").with_code(0);
    assert!(
        first.out.contains("stage finishing: created") && first.out.contains("sample-print: created"),
        "{}",
        first.out
    );
    let again = plant.run(&["seed"], "").with_code(0);
    assert!(again.out.contains("Sample plant: 0 created"), "{}", again.out);
    let exported = plant.export();
    let elsewhere = Plant::empty().await;
    elsewhere.apply(&exported, &["--yes"]).with_code(0);
    assert_eq!(elsewhere.export(), exported);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_of_the_documentation_makes_a_plant() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/plant-file.md")).expect("a page");
    let (_, example) = page.split_once("```toml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let plant = Plant::empty().await;
    plant.apply(example, &["--yes"]).with_code(0);
    plant.apply(example, &["--check"]).with_code(0);
}
