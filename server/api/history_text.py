"""The history as JSON text, made of what was written down: it is long, and need not be read to be told again."""

from collections.abc import Sequence

from server.api import answers, wire
from server.jobs.job import Record, State, WrittenRecord

NO_JSON = ("NaN", "Infinity")  # Python writes these, and no other client can read them


def entries(records: Sequence[WrittenRecord | Record]) -> str:
    """Entries of the object that `/history` answers, with commas between."""
    return ",".join(_written(one) if isinstance(one, WrittenRecord) else _told(one) for one in records)


def _told(record: Record) -> str:
    return wire.dumps(answers.history_json([record]))[1:-1]


def _written(one: WrittenRecord) -> str:
    """As `answers.history_json` makes it, with parts that are JSON already."""
    id, number, good = wire.dumps(one.id), wire.dumps(answers.whole(one.number)), one.state is State.COMPLETED
    status = "success" if good else "error"
    failures = "" if one.failures == "[]" else f',"failures":{one.failures}'
    text = (
        f'{id}:{{"prompt":[{number},{id},{one.prompt},{one.extra},{one.targets}],"outputs":{one.outputs},'
        f'"status":{{"status_str":"{status}","completed":{wire.dumps(good)},"messages":{one.messages}}},'
        f'"meta":{one.meta}{failures}}}'
    )
    if any(word in text for word in NO_JSON):
        return wire.dumps(wire.loads(f"{{{text}}}".encode()))[1:-1]
    return text
