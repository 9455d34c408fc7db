"""What packs that save files themselves get to write into them: beside the workflow lies the host's record.

Most of them write every entry of EXTRA_PNGINFO as a text chunk of its own, and so the record too.
"""

from collections.abc import Mapping
from typing import cast

from nodes.builtin import record
from nodes.spec import RECORD, Context, NodeSpec

WRITTEN = ("PROMPT", "EXTRA_PNGINFO")


def told(ctx: Context, spec: NodeSpec, inputs: Mapping[str, object]) -> Mapping[str, object]:
    """The inputs of an output node with the record added; without what files shall not tell, where the person said so."""
    kinds = {
        entry.name: entry.type for entry in spec.inputs if entry.type in WRITTEN and entry.name in inputs
    }
    recorder = record.of(ctx) if spec.is_output and kinds else None
    if recorder is None:
        return inputs
    if not recorder.wanted:
        return {**inputs, **dict.fromkeys(kinds, [None] if spec.takes_lists else None)}
    added: dict[str, object] = {}
    for name in (name for name, kind in kinds.items() if kind == "EXTRA_PNGINFO"):
        given = inputs[name]
        extras = cast("list[object]", given) if spec.takes_lists else [given]
        extended = [_extended(entry, recorder, ctx) for entry in extras]
        added[name] = extended if spec.takes_lists else extended[0]
    return {**inputs, **added}


def _extended(extra: object, recorder: record.Recorder, ctx: Context) -> object:
    """A pack that got no workflow before gets none now: some take any dict for one that holds it."""
    if not isinstance(extra, Mapping) or "workflow" not in extra:
        return extra
    return {**cast("Mapping[str, object]", extra), RECORD: recorder.record(ctx.lineage)}
