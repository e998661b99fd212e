//! Tasks: made by people and triggers, listed, given on, closed and reopened; each told once to who has it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use andon::grpc::proto::v1::{self, DeliveryState as Told, TaskState as State};
use chrono::TimeDelta;
use prost_types::FieldMask;
use tokio::{sync::Barrier, task::JoinSet};
use tonic::Code;

use crate::support::{
    Api, Daemon, Expect as _, Options,
    api::{Refused, advance, date, day, instant, number},
    clock::at,
    eventually,
    plant::{ANNA, ERIKA, FALLBACK, JOB, Shop, order},
    smtp::SmtpSink,
};

const MONDAY: &str = "2026-03-02T08:00:00Z";
const MAIL_LIMIT: Duration = Duration::from_secs(30);

/// A task for Anna.
fn task(title: &str) -> v1::Task {
    v1::Task { title: title.into(), assigned_user: "anna".into(), ..v1::Task::default() }
}

fn create(task: v1::Task) -> v1::CreateTaskRequest {
    v1::CreateTaskRequest { task: Some(task), ..v1::CreateTaskRequest::default() }
}

async fn made(api: &Api, task: v1::Task) -> v1::Task {
    api.tasks().create_task(create(task)).await.done().task.expect("an answer has the task")
}

async fn get(api: &Api, id: &str) -> v1::Task {
    api.tasks().get_task(v1::GetTaskRequest { id: id.into() }).await.done().task.expect("an answer has the task")
}

fn update(task: v1::Task, paths: &[&str]) -> v1::UpdateTaskRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    v1::UpdateTaskRequest {
        task: Some(task),
        update_mask: Some(FieldMask { paths }),
        ..v1::UpdateTaskRequest::default()
    }
}

fn complete(id: &str) -> v1::CompleteTaskRequest {
    v1::CompleteTaskRequest { id: id.into(), ..v1::CompleteTaskRequest::default() }
}

/// Titles of a list over all pages of this size, and how many pages there were.
async fn titles(api: &Api, mut request: v1::ListTasksRequest, page_size: i32) -> (Vec<String>, usize) {
    request.page_size = page_size;
    let (mut titles, mut pages) = (Vec::new(), 0);
    loop {
        let page = api.tasks().list_tasks(request.clone()).await.done();
        titles.extend(page.tasks.into_iter().map(|task| task.title));
        pages += 1;
        if page.next_page_token.is_empty() {
            return (titles, pages);
        }
        request.page_token = page.next_page_token;
    }
}

/// Who was told of tasks, with the state of the message, by address.
async fn told(api: &Api) -> Vec<(String, Told)> {
    let messages = api.messages().await.into_iter().filter(|message| message.kind == "TASK");
    let mut told: Vec<_> = messages.map(|message| (message.address.clone(), message.state())).collect();
    told.sort();
    told
}

async fn addresses(api: &Api) -> Vec<String> {
    told(api).await.into_iter().map(|(address, _)| address).collect()
}

/// Runs all calls, each begun when all are ready.
async fn at_once<F: Future<Output: Send + 'static> + Send + 'static>(calls: Vec<F>) -> Vec<F::Output> {
    let barrier = Arc::new(Barrier::new(calls.len()));
    let mut running = JoinSet::new();
    for call in calls {
        let barrier = Arc::clone(&barrier);
        running.spawn(async move {
            barrier.wait().await;
            call.await
        });
    }
    running.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_made_changed_done_and_reopened() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    api.create(order("A-1")).await;
    let given =
        v1::Task { description: "two boxes\nof 12".into(), due_date: date("2026-03-06"), ..task("Order inserts") };
    let request = v1::CreateTaskRequest { order: number("A-1"), on_behalf_of: "erika".into(), ..create(given) };
    let answer = api.tasks().create_task(request).await.done();
    let made = answer.task.expect("a task");
    assert_eq!((made.title.as_str(), made.description.as_str()), ("Order inserts", "two boxes\nof 12"));
    assert_eq!((made.order_number.as_str(), made.made_by.as_str(), made.etag.as_str()), ("A-1", "erika", "1"));
    assert_eq!((made.state(), made.overdue, made.trigger.as_str()), (State::Open, false, ""));
    assert_eq!(answer.messages.iter().map(|it| it.address.as_str()).collect::<Vec<_>>(), [ANNA]);
    assert_eq!(get(api, &made.id).await, made);

    let fields =
        v1::Task { id: made.id.clone(), title: "Order 24 inserts".into(), etag: "1".into(), ..v1::Task::default() };
    let changed = api.tasks().update_task(update(fields.clone(), &["title"])).await.done();
    let after = changed.task.expect("a task");
    assert_eq!((after.title.as_str(), after.due_date, after.etag.as_str()), ("Order 24 inserts", made.due_date, "2"));
    assert!(changed.messages.is_empty(), "who has it is not told of a word that changes");
    let stale = api.tasks().update_task(update(fields.clone(), &["title"])).await.refused();
    assert_eq!(stale.why(), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(stale.metadata["current_etag"], "2");
    let same = v1::Task { etag: String::new(), ..fields };
    let unchanged = api.tasks().update_task(update(same, &["title"])).await.done().task.expect("a task");
    assert_eq!(unchanged.etag, "2", "what changes nothing makes no version");

    let close = v1::CompleteTaskRequest {
        comment: "came on Thursday".into(),
        on_behalf_of: "anna".into(),
        ..complete(&made.id)
    };
    let done = api.tasks().complete_task(close.clone()).await.done().task.expect("a task");
    assert_eq!(
        (done.state(), done.closed_by.as_str(), done.comment.as_str()),
        (State::Done, "anna", "came on Thursday")
    );
    assert_eq!(instant(done.close_time), at(MONDAY));
    let again = api.tasks().complete_task(close).await.refused();
    assert_eq!(again.why(), (Code::FailedPrecondition, "TASK_CLOSED"));
    assert_eq!((again.metadata["state"].as_str(), again.metadata["closed_by"].as_str()), ("DONE", "anna"));
    let cancel = v1::CancelTaskRequest { id: made.id.clone(), ..v1::CancelTaskRequest::default() };
    assert_eq!(api.tasks().cancel_task(cancel.clone()).await.refused().reason, "TASK_CLOSED");
    let fields = v1::Task { id: made.id.clone(), title: "x".into(), ..v1::Task::default() };
    assert_eq!(api.tasks().update_task(update(fields, &["title"])).await.refused().reason, "TASK_CLOSED");

    let reopen = v1::ReopenTaskRequest {
        id: made.id.clone(),
        comment: "the wrong ones".into(),
        on_behalf_of: "erika".into(),
        ..v1::ReopenTaskRequest::default()
    };
    let opened = api.tasks().reopen_task(reopen.clone()).await.done();
    assert_eq!(opened.messages.len(), 1);
    let opened = opened.task.expect("a task");
    assert_eq!((opened.state(), opened.closed_by.as_str(), opened.close_time), (State::Open, "", None));
    assert_eq!(opened.comment, "the wrong ones");
    assert_eq!(api.tasks().reopen_task(reopen).await.refused().why(), (Code::FailedPrecondition, "TASK_OPEN"));
    let gone = api.tasks().cancel_task(cancel).await.done().task.expect("a task");
    assert_eq!((gone.state(), gone.closed_by.as_str()), (State::Cancelled, "local"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_due_date_counts_in_the_calendar_of_the_order_then_of_the_department_then_in_utc() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    api.create(order("A-1")).await;
    let store = v1::Department { id: "store".into(), calendar: "vienna".into(), ..v1::Department::default() };
    let request = v1::UpdateDepartmentRequest {
        department: Some(store),
        update_mask: Some(FieldMask { paths: vec!["calendar".into()] }),
        ..v1::UpdateDepartmentRequest::default()
    };
    api.people().update_department(request).await.done();
    // The Sunday on which clocks go forward in Vienna: its day ends at 22:00 UTC.
    let due = |title: &str| v1::Task { due_date: date("2026-03-29"), ..task(title) };
    let request = v1::CreateTaskRequest { order: number("A-1"), ..create(due("of an order")) };
    let of_order = api.tasks().create_task(request).await.done().task.expect("a task");
    let of_store = made(api, v1::Task { assigned_department: "store".into(), ..due("of the store") }).await;
    let of_nobody = made(api, due("of Anna")).await;
    for (task, due_at) in
        [(&of_order, "2026-03-29T22:00:00Z"), (&of_store, "2026-03-29T22:00:00Z"), (&of_nobody, "2026-03-30T00:00:00Z")]
    {
        assert_eq!(instant(task.due_time), at(due_at), "{}", task.title);
        let overdue = v1::ListTasksRequest { overdue: true, ..v1::ListTasksRequest::default() };
        for (shift, late) in [(-1, false), (0, true), (1, true)] {
            shop.clock.set(at(due_at) + TimeDelta::microseconds(shift));
            assert_eq!(get(api, &task.id).await.overdue, late, "{} {shift}", task.title);
            let listed = titles(api, overdue.clone(), 50).await.0.contains(&task.title);
            assert_eq!(listed, late, "what is selected is what is overdue: {} {shift}", task.title);
        }
    }
    api.tasks().complete_task(complete(&of_order.id)).await.done();
    assert!(!get(api, &of_order.id).await.overdue, "what is done is not overdue");
    // Another department, another zone; and no due date any more.
    let to = v1::Task { id: of_store.id.clone(), assigned_department: "quality".into(), ..v1::Task::default() };
    let moved = api.tasks().update_task(update(to, &["assigned_department"])).await.done().task.expect("a task");
    assert_eq!((day(moved.due_date), instant(moved.due_time)), ("2026-03-29".to_owned(), at("2026-03-30T00:00:00Z")));
    let none = v1::Task { id: of_store.id, ..v1::Task::default() };
    let none = api.tasks().update_task(update(none, &["due_date"])).await.done().task.expect("a task");
    assert_eq!((none.due_date, none.due_time, none.overdue), (None, None, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_by_due_time_page_by_page_whatever_the_filter() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    api.create(order("A-1")).await;
    let day = |n: usize| date(&format!("2026-03-{:02}", 3 + n % 5));
    for n in 0..24 {
        let (user, department) = match n % 4 {
            0 => ("anna", ""),
            1 => ("", "workshop"),
            2 => ("erika", "workshop"),
            _ => ("", "store"),
        };
        let one = v1::Task {
            title: format!("{n:02}"),
            assigned_user: user.into(),
            assigned_department: department.into(),
            due_date: if n % 6 == 5 { None } else { day(n) },
            ..v1::Task::default()
        };
        let about = if n % 3 == 0 { number("A-1") } else { None };
        // Ids are in the order of creation, to the millisecond.
        shop.clock.set(at(MONDAY) + TimeDelta::milliseconds(i64::try_from(n).expect("small")));
        api.tasks().create_task(v1::CreateTaskRequest { order: about, ..create(one) }).await.done();
    }
    let all = v1::ListTasksRequest::default();
    let (every, pages) = titles(api, all.clone(), 7).await;
    assert_eq!((every.len(), pages), (24, 4));
    let mut expected: Vec<usize> = (0..24).collect();
    // The day of the order, in Vienna, ends before that of the others, in UTC.
    expected.sort_by_key(|n| if n % 6 == 5 { (5, true, *n) } else { (n % 5, n % 3 != 0, *n) });
    assert_eq!(every, expected.iter().map(|n| format!("{n:02}")).collect::<Vec<_>>());

    let only = |pick: &dyn Fn(usize) -> bool| {
        expected.iter().filter(|n| pick(**n)).map(|n| format!("{n:02}")).collect::<Vec<_>>()
    };
    let user = |user: &str| v1::ListTasksRequest { user: user.into(), ..all.clone() };
    let department = |it: &str| v1::ListTasksRequest { department: it.into(), ..all.clone() };
    let of_erika = v1::ListTasksRequest { with_departments: true, ..user("erika") };
    let of_order = v1::ListTasksRequest { order: number("A-1"), ..all.clone() };
    for (request, expected) in [
        (user("anna"), only(&|n| n % 4 == 0)),
        (user("erika"), only(&|n| n % 4 == 2)),
        (of_erika.clone(), only(&|n| n % 4 == 1 || n % 4 == 2)),
        (department("workshop"), only(&|n| n % 4 == 1 || n % 4 == 2)),
        (v1::ListTasksRequest { department: "workshop".into(), ..user("anna") }, Vec::new()),
        (of_order.clone(), only(&|n| n % 3 == 0)),
        (v1::ListTasksRequest { order: number("A-1"), ..of_erika }, only(&|n| n % 3 == 0 && matches!(n % 4, 1 | 2))),
    ] {
        for size in [1, 2, 500] {
            assert_eq!(titles(api, request.clone(), size).await.0, expected, "{request:?}");
        }
    }
    // Overdue on the fifth: those due on the third and the fourth.
    shop.set("2026-03-05T08:00:00Z");
    let late = v1::ListTasksRequest { overdue: true, ..all.clone() };
    assert_eq!(titles(api, late, 3).await.0, only(&|n| n % 6 != 5 && n % 5 < 2));
    // Closed ones.
    let first = api.tasks().list_tasks(v1::ListTasksRequest { page_size: 2, ..all.clone() }).await.done();
    api.tasks().complete_task(complete(&first.tasks[0].id)).await.done();
    let cancel = v1::CancelTaskRequest { id: first.tasks[1].id.clone(), ..v1::CancelTaskRequest::default() };
    api.tasks().cancel_task(cancel).await.done();
    let in_states = |states: &[State]| v1::ListTasksRequest {
        states: states.iter().map(|state| (*state).into()).collect(),
        ..all.clone()
    };
    assert_eq!(titles(api, in_states(&[State::Done]), 9).await.0, every[..1]);
    assert_eq!(titles(api, in_states(&[State::Cancelled, State::Done]), 1).await.0, every[..2]);
    assert_eq!(titles(api, in_states(&[State::Open]), 9).await.0, every[2..]);
    assert_eq!(titles(api, all.clone(), 9).await.0, every);
    // A token belongs to its list.
    let other = v1::ListTasksRequest { page_token: first.next_page_token, ..of_order };
    assert_eq!(api.tasks().list_tasks(other).await.refused().fields, ["page_token"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_all_at_once_and_refusals_in_their_order() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    let long = |length: usize| "x".repeat(length);
    let wrong = v1::Task {
        title: long(201),
        description: long(2_001),
        assigned_user: long(64),
        due_date: Some(andon::grpc::proto::Date { year: 2026, month: 2, day: 29 }),
        ..v1::Task::default()
    };
    let request = v1::CreateTaskRequest {
        order: Some(v1::OrderRef::default()),
        on_behalf_of: long(64),
        request_id: long(65),
        ..create(wrong)
    };
    let mut fields = api.tasks().create_task(request).await.refused().fields;
    fields.sort();
    let expected = ["on_behalf_of", "order", "request_id", "task.assigned_user", "task.description", "task.due_date"];
    assert_eq!(fields[..6], expected);
    assert_eq!(fields[6..], ["task.title"]);
    for (empty, field) in [
        (v1::Task { title: String::new(), ..task("x") }, "task.title"),
        (v1::Task { title: "a\nb".into(), ..task("x") }, "task.title"),
        (v1::Task { assigned_user: String::new(), ..task("x") }, "task.assigned_user"),
    ] {
        let refused = api.tasks().create_task(create(empty)).await.refused();
        assert_eq!((refused.reason.as_str(), refused.fields), ("INVALID_REQUEST", vec![field.to_owned()]));
    }
    assert_eq!(api.tasks().create_task(v1::CreateTaskRequest::default()).await.refused().fields, ["task"]);
    // Just long enough.
    made(api, v1::Task { title: "ü".repeat(200), description: "ü".repeat(2_000), ..task("") }).await;

    let leave = v1::User { id: "nomail".into(), inactive: true, ..v1::User::default() };
    let leave = v1::UpdateUserRequest {
        user: Some(leave),
        update_mask: Some(FieldMask { paths: vec!["inactive".into()] }),
        ..v1::UpdateUserRequest::default()
    };
    api.people().update_user(leave).await.done();
    let with = |user: &str, department: &str, by: &str, about: Option<v1::OrderRef>| {
        let who = v1::Task { assigned_user: user.into(), assigned_department: department.into(), ..task("x") };
        v1::CreateTaskRequest { order: about, on_behalf_of: by.into(), ..create(who) }
    };
    for (request, reason, id) in [
        (with("nobody", "", "nobody", number("A-0")), "NOT_FOUND", "A-0"),
        (with("nobody", "", "no-caller", None), "NOT_FOUND", "no-caller"),
        (with("nobody", "", "nomail", None), "INACTIVE", "nomail"),
        (with("nobody", "nowhere", "anna", None), "NOT_FOUND", "nobody"),
        (with("anna", "nowhere", "", None), "NOT_FOUND", "nowhere"),
        (with("nomail", "", "", None), "INACTIVE", "nomail"),
    ] {
        let refused = api.tasks().create_task(request).await.refused();
        assert_eq!((refused.reason.as_str(), refused.metadata["id"].as_str()), (reason, id));
    }

    let known = made(api, task("x")).await;
    let nobody = uuid::Uuid::from_u128(7).to_string();
    assert_eq!(api.tasks().get_task(v1::GetTaskRequest { id: "7".into() }).await.refused().fields, ["id"]);
    let missing = api.tasks().complete_task(complete(&nobody)).await.refused();
    assert_eq!((missing.why(), missing.metadata["kind"].as_str()), ((Code::NotFound, "NOT_FOUND"), "task"));
    let both = v1::CompleteTaskRequest { etag: "9".into(), on_behalf_of: "no-caller".into(), ..complete(&known.id) };
    assert_eq!(api.tasks().complete_task(both).await.refused().reason, "ETAG_MISMATCH");
    let by_nobody = v1::CompleteTaskRequest { on_behalf_of: "no-caller".into(), ..complete(&known.id) };
    assert_eq!(api.tasks().complete_task(by_nobody).await.refused().reason, "NOT_FOUND");
    let comment = v1::CompleteTaskRequest { comment: long(2_001), ..complete(&known.id) };
    assert_eq!(api.tasks().complete_task(comment).await.refused().fields, ["comment"]);
    let to_nobody = v1::Task { id: known.id.clone(), ..v1::Task::default() };
    for paths in [&["assigned_user"][..], &["assigned_user", "assigned_department"], &["nothing"]] {
        let refused = api.tasks().update_task(update(to_nobody.clone(), paths)).await.refused();
        assert_eq!(refused.why(), (Code::InvalidArgument, "INVALID_REQUEST"), "{paths:?}");
    }
    let bad = v1::ListTasksRequest {
        states: vec![2, 2, 9],
        overdue: true,
        with_departments: true,
        department: "No".into(),
        page_size: -1,
        page_token: "x".into(),
        ..v1::ListTasksRequest::default()
    };
    let mut fields = api.tasks().list_tasks(bad).await.refused().fields;
    fields.sort();
    assert_eq!(
        fields,
        ["department", "overdue", "page_size", "page_token", "states[1]", "states[2]", "with_departments"]
    );
    let of_none = v1::ListTasksRequest { order: number("A-0"), ..v1::ListTasksRequest::default() };
    assert_eq!(api.tasks().list_tasks(of_none).await.refused().reason, "NOT_FOUND");
    assert_eq!(get(api, &known.id).await, known, "nothing of all this changed it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_a_request_id_is_carried_out_once_and_a_preview_never() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    let preview = v1::CreateTaskRequest { request_id: "r-1".into(), validate_only: true, ..create(task("x")) };
    let seen = api.tasks().create_task(preview.clone()).await.done();
    assert_eq!((seen.task.expect("a task").id.as_str(), seen.messages[0].delivery.as_str()), ("", ""));
    assert!(titles(api, v1::ListTasksRequest::default(), 9).await.0.is_empty());
    let real = v1::CreateTaskRequest { validate_only: false, ..preview };
    let calls = (0..8).map(|_| {
        let (api, request) = (api.clone(), real.clone());
        async move { api.tasks().create_task(request).await.done().task.expect("a task").id }
    });
    let mut ids = at_once(calls.collect()).await;
    ids.dedup();
    assert_eq!((ids.len(), titles(api, v1::ListTasksRequest::default(), 9).await.0.len()), (1, 1));
    assert_eq!(addresses(api).await, [ANNA], "and told once");
    let other = v1::CreateTaskRequest { request_id: "r-1".into(), ..create(task("y")) };
    assert_eq!(api.tasks().create_task(other).await.refused().why(), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));

    let close = v1::CompleteTaskRequest { request_id: "r-2".into(), comment: "done".into(), ..complete(&ids[0]) };
    let look = v1::CompleteTaskRequest { validate_only: true, ..close.clone() };
    assert_eq!(api.tasks().complete_task(look).await.done().task.expect("a task").state(), State::Done);
    assert_eq!(get(api, &ids[0]).await.state(), State::Open);
    let first = api.tasks().complete_task(close.clone()).await.done();
    let reopen = v1::ReopenTaskRequest { id: ids[0].clone(), ..v1::ReopenTaskRequest::default() };
    api.tasks().reopen_task(reopen).await.done();
    shop.set("2026-03-03T08:00:00Z");
    assert_eq!(api.tasks().complete_task(close).await.done(), first, "the answer of the first time");
    assert_eq!(get(api, &ids[0]).await.state(), State::Open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_close_a_task_at_once_one_does_it_and_the_other_learns_why_not() {
    let shop = Shop::open(MONDAY).await;
    let second = Daemon::start(&shop.database, Options::new().clock(&shop.clock)).await;
    let other = second.api();
    for round in 0..10 {
        let task = made(&shop.api, task("x")).await;
        let etag = if round % 2 == 0 { String::new() } else { task.etag.clone() };
        let calls = [&shop.api, &other, &shop.api, &other].into_iter().enumerate().map(|(caller, api)| {
            let (api, id, etag) = (api.clone(), task.id.clone(), etag.clone());
            async move {
                if caller < 2 {
                    let request = v1::CompleteTaskRequest { etag, ..complete(&id) };
                    api.tasks().complete_task(request).await.map(drop).map_err(Refused::from)
                } else {
                    let request = v1::CancelTaskRequest { id, etag, ..v1::CancelTaskRequest::default() };
                    api.tasks().cancel_task(request).await.map(drop).map_err(Refused::from)
                }
            }
        });
        let answers = at_once(calls.collect()).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        let expected = if round % 2 == 0 { "TASK_CLOSED" } else { "ETAG_MISMATCH" };
        for refused in answers.into_iter().filter_map(Result::err) {
            assert_eq!(refused.reason, expected, "{refused:?}");
        }
        assert_eq!(get(&shop.api, &task.id).await.etag, "2", "one change");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_a_task_is_told_and_nobody_of_what_they_did_themselves() {
    let sink = SmtpSink::start().await;
    let relay = sink.address().port();
    let shop = Shop::open_with(MONDAY, |options| options.relay(relay)).await;
    let api = &shop.api;
    api.create(order("A-1")).await;
    let to = |user: &str, department: &str| v1::Task {
        assigned_user: user.into(),
        assigned_department: department.into(),
        due_date: date("2026-03-06"),
        ..task("Sharpen the cutter")
    };
    let by = |by: &str, task: v1::Task| v1::CreateTaskRequest { on_behalf_of: by.into(), ..create(task) };
    let mut expected = Vec::new();
    for (request, addresses) in [
        (by("erika", to("anna", "")), vec![ANNA]),
        (by("anna", to("anna", "")), vec![]),
        (by("anna", to("", "workshop")), vec![ERIKA]),
        (by("erika", to("", "workshop")), vec![]),
        (by("", to("anna", "workshop")), vec![ANNA]),
        // Nora has no address: the manager of the department is told in her place, and where there is none, the fallback.
        (by("", to("nomail", "workshop")), vec![ERIKA]),
        (by("", to("nomail", "")), vec![FALLBACK]),
        (by("", to("", "quality")), vec![FALLBACK]),
    ] {
        let messages = api.tasks().create_task(request).await.done().messages;
        assert_eq!(messages.iter().map(|it| it.address.as_str()).collect::<Vec<_>>(), addresses);
        expected.extend(addresses);
    }
    let request = v1::CreateTaskRequest { order: number("A-1"), ..by("erika", to("anna", "")) };
    api.tasks().create_task(request).await.done();
    expected.push(ANNA);
    let received = sink.wait_for(expected.len(), MAIL_LIMIT).await;
    let mut reached: Vec<_> = received.iter().map(|mail| mail.to.as_str()).collect();
    reached.sort_unstable();
    expected.sort_unstable();
    assert_eq!(reached, expected);
    let texts: Vec<_> = received.iter().map(|mail| String::from_utf8_lossy(&mail.message).into_owned()).collect();
    assert!(texts.iter().all(|text| text.contains("Sharpen the cutter") && text.contains("References: <")));
    let id = api.get("A-1").await.id;
    let of_order: Vec<_> = texts.iter().filter(|text| text.contains(&format!("References: <order-{id}@"))).collect();
    assert_eq!(of_order.len(), 1, "a task of an order stands in the thread of the order");
    assert!(of_order[0].contains("A-1"), "{}", of_order[0]);
    let messages = api.messages().await;
    let orders: BTreeMap<&str, usize> = messages.iter().fold(BTreeMap::new(), |mut count, message| {
        *count.entry(message.order_number.as_str()).or_default() += 1;
        count
    });
    assert_eq!(orders, BTreeMap::from([("", expected.len() - 1), ("A-1", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_about_a_task_that_went_on_is_withdrawn_and_the_next_one_is_told() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    let given = made(api, task("given on")).await;
    let closed = made(api, task("closed")).await;
    let kept = made(api, task("kept")).await;
    let fields = v1::Task { id: given.id.clone(), assigned_user: "erika".into(), ..v1::Task::default() };
    api.tasks().update_task(update(fields, &["assigned_user"])).await.done();
    api.tasks().complete_task(complete(&closed.id)).await.done();
    let fields = v1::Task { id: kept.id, title: "kept, in other words".into(), ..v1::Task::default() };
    api.tasks().update_task(update(fields, &["title"])).await.done();
    assert_eq!(addresses(api).await, [ANNA, ANNA, ANNA, ERIKA]);
    // A second daemon has a way to send them.
    let sink = SmtpSink::start().await;
    let options = Options::new().clock(&shop.clock).relay(sink.address().port());
    let _sender = Daemon::start(&shop.database, options).await;
    eventually("all are settled", async || {
        let states: Vec<_> = told(api).await.into_iter().map(|(_, state)| state).collect();
        (states == [Told::Sent, Told::Withdrawn, Told::Withdrawn, Told::Sent]).then_some(())
    })
    .await;
    assert_eq!(sink.messages().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_tasks_of_who_leaves_go_along_with_the_orders() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    let open = made(api, task("open")).await;
    let done = made(api, task("done")).await;
    api.tasks().complete_task(complete(&done.id)).await.done();
    let leave = v1::UpdateUserRequest {
        user: Some(v1::User { id: "anna".into(), inactive: true, ..v1::User::default() }),
        update_mask: Some(FieldMask { paths: vec!["inactive".into()] }),
        reassign_to: "erika".into(),
        validate_only: true,
        ..v1::UpdateUserRequest::default()
    };
    let open_tasks = |answer: v1::UpdateUserResponse| answer.responsibilities.expect("who leaves has some").open_tasks;
    assert_eq!(open_tasks(api.people().update_user(leave.clone()).await.done()), 1);
    assert_eq!(get(api, &open.id).await, open, "a preview changes nothing");
    let leave = v1::UpdateUserRequest { validate_only: false, ..leave };
    assert_eq!(open_tasks(api.people().update_user(leave).await.done()), 1);
    let handed = get(api, &open.id).await;
    assert_eq!((handed.assigned_user.as_str(), handed.etag.as_str()), ("erika", "2"));
    assert_eq!(get(api, &done.id).await.assigned_user, "anna", "what is done stays in the record");
    assert_eq!(addresses(api).await, [ANNA, ANNA, ERIKA]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_left_with_who_leaves_whoever_makes_it_meanwhile() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    for n in 0..20 {
        made(api, task(&format!("before {n}"))).await;
    }
    let leave = v1::UpdateUserRequest {
        user: Some(v1::User { id: "anna".into(), inactive: true, ..v1::User::default() }),
        update_mask: Some(FieldMask { paths: vec!["inactive".into()] }),
        reassign_to: "erika".into(),
        ..v1::UpdateUserRequest::default()
    };
    let calls = (0..12).map(|n| {
        let (api, leave) = (api.clone(), leave.clone());
        async move {
            if n == 5 {
                api.people().update_user(leave).await.done();
                return None;
            }
            let answer = api.tasks().create_task(create(task(&format!("meanwhile {n}")))).await;
            Some(answer.map(drop).map_err(Refused::from))
        }
    });
    let answers: Vec<_> = at_once(calls.collect()).await.into_iter().flatten().collect();
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(refused.reason, "INACTIVE");
    }
    let of = |user: &str| v1::ListTasksRequest { user: user.into(), ..v1::ListTasksRequest::default() };
    assert_eq!(titles(api, of("anna"), 50).await.0, Vec::<String>::new());
    assert_eq!(titles(api, of("erika"), 50).await.0.len(), 20 + made);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_makes_a_task_and_who_gets_it_is_told_once() {
    let shop = Shop::open(MONDAY).await;
    let api = &shop.api;
    let action = |title: &str, user: &str, department: &str| {
        let task =
            v1::TaskAction { title: title.into(), user: user.into(), department: department.into(), due_in_days: 3 };
        v1::TriggerAction { action: Some(v1::trigger_action::Action::Task(task)) }
    };
    let trigger = v1::Trigger {
        id: "prepare".into(),
        name: "Prepare milling".into(),
        event: v1::TriggerEvent::StatusEntered.into(),
        order_types: vec![JOB.into()],
        statuses: vec!["milling".into()],
        actions: vec![action("Clamp {{ order.number }}", "", ""), action("Oil", "", "workshop")],
        enabled: true,
        ..v1::Trigger::default()
    };
    let request = v1::CreateTriggerRequest { trigger: Some(trigger), ..v1::CreateTriggerRequest::default() };
    let daemon = &shop.daemon;
    let mut triggers = v1::trigger_service_client::TriggerServiceClient::connect(daemon.address.clone())
        .await
        .expect("the daemon listens");
    triggers.create_trigger(request).await.done();
    let hostile = v1::NewOrder { title: "A\u{202e}B".into(), ..order("A-1") };
    api.create(hostile).await;
    let (_, effects) = api.advance(v1::AdvanceOrderRequest { validate_only: true, ..advance("A-1") }).await;
    assert_eq!((effects.tasks.len(), effects.tasks[0].task.as_str()), (2, ""));
    let (_, effects) = api.advance(advance("A-1")).await;
    let mut made: Vec<_> =
        effects.messages.iter().map(|message| (message.address.as_str(), message.kind.as_str())).collect();
    made.sort_unstable();
    assert_eq!(made, [(ANNA, "TASK"), (ERIKA, "TASK")]);
    assert!(effects.messages.iter().all(|message| message.trigger == "prepare"));

    let of_order = v1::ListTasksRequest { order: number("A-1"), ..v1::ListTasksRequest::default() };
    let tasks = api.tasks().list_tasks(of_order).await.done().tasks;
    assert_eq!(tasks.len(), 2);
    let seen: Vec<_> = tasks.iter().map(|it| (it.title.as_str(), it.trigger.as_str(), day(it.due_date))).collect();
    assert_eq!(seen, [("Clamp A-1", "prepare", "2026-03-05".to_owned()), ("Oil", "prepare", "2026-03-05".to_owned())]);
    assert_eq!((tasks[0].assigned_user.as_str(), tasks[1].assigned_department.as_str()), ("anna", "workshop"));
    assert_eq!(effects.tasks.iter().map(|it| it.task.as_str()).collect::<Vec<_>>(), [&tasks[0].id, &tasks[1].id]);
    api.tasks().complete_task(complete(&tasks[0].id)).await.done();
    assert_eq!(get(api, &tasks[1].id).await.state(), State::Open);
}
