"""A client in another language: makes its stubs from proto/ and works an order through the running daemon.

Usage: client.py PROTO_FOLDER STUBS_FOLDER HOST:PORT
"""

import pathlib
import sys

import grpc
from grpc_tools import protoc


def generate(proto: pathlib.Path, stubs: pathlib.Path) -> None:
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    files = sorted(str(path) for folder in ("andon", "google") for path in (proto / folder).rglob("*.proto"))
    command = ["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *files]
    if protoc.main(command) != 0:
        sys.exit("the stubs cannot be generated")
    # The folder google/type of the stubs belongs to the package google of the runtime.
    import google

    google.__path__.append(str(stubs / "google"))
    sys.path.insert(0, str(stubs))


def main() -> None:
    proto, stubs, address = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    generate(proto, stubs)
    from andon.v1 import orders_pb2 as pb
    from andon.v1 import orders_pb2_grpc as services

    with grpc.insecure_channel(address) as channel:
        orders = services.OrderServiceStub(channel)
        new = pb.NewOrder(number="PY-1", order_type="job", title="Welle für Öl", labels={"from": "python"})
        made = orders.CreateOrder(pb.CreateOrderRequest(order=new, request_id="py-create"), timeout=20).order
        assert made.visit.status == "planned", made
        order = pb.OrderRef(number="PY-1")
        moved = orders.AdvanceOrder(
            pb.AdvanceOrderRequest(order=order, etag=made.etag, advance=pb.Advance(note="läuft")), timeout=20
        )
        assert moved.order.visit.status == "milling", moved
        assert moved.effects.closed_visit.completed, moved
        try:
            orders.AdvanceOrder(pb.AdvanceOrderRequest(order=order, etag=made.etag), timeout=20)
            raise AssertionError("a stale etag was taken")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.ABORTED, error
        listed = orders.ListOrders(
            pb.ListOrdersRequest(filter=pb.OrderFilter(statuses=["milling"]), page_size=10), timeout=20
        ).orders
        assert [order.number for order in listed] == ["PY-1"], listed
        history = orders.ListHistory(pb.ListHistoryRequest(order=order), timeout=20).entries
        kinds = [pb.HistoryKind.Name(entry.kind) for entry in history]
        assert kinds == ["HISTORY_KIND_CREATED", "HISTORY_KIND_ADVANCED"], kinds
        assert history[1].note.text == "läuft", history
        work_the_record(orders, pb, order)
        edit_the_cycle(channel, orders, order)
        do_a_task(channel, order)
    print("created, advanced, listed, read, asked, edited, done")


def work_the_record(orders, pb, order) -> None:
    """Changes a field, asks a question, answers it, and reads how long each status took."""
    from google.protobuf import field_mask_pb2 as masks

    changed = orders.UpdateOrder(
        pb.UpdateOrderRequest(
            order=pb.Order(number=order.number, priority=7), update_mask=masks.FieldMask(paths=["priority"])
        ),
        timeout=20,
    )
    assert [(it.field, it.before, it.after) for it in changed.effects.changes] == [("priority", "0", "7")], changed
    asked = orders.AddNote(
        pb.AddNoteRequest(order=order, text="Welches Maß?", kind=pb.NOTE_KIND_QUESTION, assessment=pb.HEALTH_LATE),
        timeout=20,
    )
    assert asked.order.open_questions == 1 and asked.order.assessment.health == pb.HEALTH_LATE, asked
    answer = pb.AddNoteRequest(order=order, text="h7", kind=pb.NOTE_KIND_ANSWER, answers=asked.note.id)
    assert orders.AddNote(answer, timeout=20).order.open_questions == 0
    times = orders.ListStatusTimes(pb.ListStatusTimesRequest(order=order), timeout=20).times
    assert [(it.status, it.visits, it.current) for it in times] == [("planned", 1, False), ("milling", 1, True)], times


def edit_the_cycle(channel, orders, order) -> None:
    """Looks at the plan of an edit, does exactly that, and finds the order where the plan said."""
    from andon.v1 import order_types_pb2 as pb
    from andon.v1 import order_types_pb2_grpc as services
    from andon.v1 import orders_pb2

    types = services.OrderTypeServiceStub(channel)
    removal = pb.DeleteStatusRequest(order_type="job", status="milling", replacement="checking", validate_only=True)
    plan = types.DeleteStatus(removal, timeout=20).plan
    assert plan.moved_orders == 1 and plan.examples[0].number == order.number, plan
    removal.validate_only = False
    removal.expected_plan = plan.fingerprint
    assert types.DeleteStatus(removal, timeout=20).plan == plan
    moved = orders.GetOrder(orders_pb2.GetOrderRequest(order=order), timeout=20).order
    assert moved.visit.status == "checking", moved


def do_a_task(channel, order) -> None:
    """Makes a task about the order, finds it among those of the user, and does it."""
    from andon.v1 import tasks_pb2 as pb
    from andon.v1 import tasks_pb2_grpc as services

    tasks = services.TaskServiceStub(channel)
    new = pb.Task(title="Maß prüfen", assigned_user="anna")
    made = tasks.CreateTask(pb.CreateTaskRequest(task=new, order=order, request_id="py-task"), timeout=20).task
    listed = tasks.ListTasks(pb.ListTasksRequest(states=[pb.TASK_STATE_OPEN], user="anna"), timeout=20).tasks
    assert list(listed) == [made] and made.order_number == order.number, listed
    done = tasks.CompleteTask(pb.CompleteTaskRequest(id=made.id, etag=made.etag, comment="h7"), timeout=20).task
    assert done.state == pb.TASK_STATE_DONE and done.comment == "h7", done


main()
