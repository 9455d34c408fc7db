"""The bus: in order, numbered, and never short of what matters."""

from nodes.spec import Preview
from server.events import FAR_BEHIND, Bus, JobEnded, JobStarted, NodeProgressed, Place

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
    bus = Bus(memory=3)
    for job in "abcd":
        bus.publish(JobStarted(job, 0))
        bus.publish(NodeProgressed(job, AT, 1, 2, Preview(b"")))
    assert [envelope.event.job for envelope in bus.replay(0)] == ["b", "c", "d"]
    assert [envelope.event.job for envelope in bus.replay(5)] == ["d"]
    assert bus.number == 8
