"""The bus: in order, numbered, and never short of what matters."""

from nodes.spec import Preview
from server.events import (
    FAR_BEHIND,
    Bus,
    JobEnded,
    JobStarted,
    NodeDone,
    NodeProgressed,
    Place,
    QueueChanged,
    weight,
)

AT = Place("a", "a", "a")


async def test_events_are_numbered_and_heard_in_order():
    bus = Bus()
    with bus.subscribe() as subscription:
        bus.publish(JobStarted("j", 0), "me")
        bus.publish(JobEnded("j"), "me")
        heard = [await anext(aiter(subscription)) for _ in range(2)]
    assert [(envelope.number, type(envelope.event), envelope.client) for envelope in heard] == [
        (1, JobStarted, "me"),
        (2, JobEnded, "me"),
    ]


async def test_a_listener_far_behind_loses_progress_and_nothing_else():
    bus = Bus()
    with bus.subscribe() as subscription:
        for step in range(3 * FAR_BEHIND):
            bus.publish(NodeProgressed("j", AT, step, 3 * FAR_BEHIND))
        for _ in range(FAR_BEHIND):
            bus.publish(JobEnded("j"))
        assert subscription.lost == 2 * FAR_BEHIND
        assert subscription.queue.qsize() == 2 * FAR_BEHIND


async def test_what_was_missed_is_told_again_without_previews():
    bus = Bus()
    for job in "abcd":
        bus.publish(JobStarted(job, 0))
        bus.publish(NodeProgressed(job, AT, 1, 2, Preview(b"")))
        bus.publish(QueueChanged(1))
    assert replayed(bus, 0) == ["a", "b", "c", "d"]
    assert replayed(bus, 7) == ["d"]
    assert replayed(bus, 12) == []
    assert bus.number == 12


async def test_what_was_forgotten_is_no_replay():
    bus = Bus(memory=3 * weight(JobStarted("a", 0)))
    for job in "abcd":
        bus.publish(JobStarted(job, 0))
    assert bus.replay(0) is None
    assert replayed(bus, 1) == ["b", "c", "d"]


async def test_a_number_that_was_never_told_is_no_replay():
    bus = Bus()
    bus.publish(JobStarted("a", 0))
    assert bus.replay(2) is None
    assert bus.replay(-1) is None


async def test_what_is_kept_is_bounded_in_bytes():
    bus = Bus(memory=100_000)
    for _ in range(50):
        bus.publish(NodeDone("a", AT, {"text": ["x" * 30_000]}))
    kept = bus.replay(bus.number - 3)
    assert kept is not None
    assert len(kept) == 3
    assert bus.replay(bus.number - 4) is None


async def test_each_life_of_a_bus_has_a_name_of_its_own():
    assert Bus().life != Bus().life


def replayed(bus: Bus, after: int) -> list[str]:
    """The jobs of the events that are told again."""
    missed = bus.replay(after)
    assert missed is not None
    return [envelope.event.job for envelope in missed if isinstance(envelope.event, JobStarted)]
