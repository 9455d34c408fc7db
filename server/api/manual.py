"""A page of help for each node, in Markdown, made of what the node says of itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nodes.spec import InputSpec, Json, NodeSpec, Section

SHOWN_OPTIONS = (("default", "default"), ("min", "at least"), ("max", "at most"), ("step", "in steps of"))
MOST_CHOICES = 12  # of a combo are named
LANGUAGE = "en"


def page(spec: NodeSpec) -> str:
    """The whole page."""
    parts = [f"# {_plain(spec.display_name or spec.id)}", _plain(spec.description), *_flags(spec)]
    inputs = [entry for entry in spec.inputs if entry.section is not Section.HIDDEN]
    if inputs:
        rows = [(entry.name, _kind(entry), _about(entry)) for entry in inputs]
        parts.append(_table("Inputs", ("Name", "Type", "What it is"), rows))
    if spec.outputs:
        rows = [
            (
                output.name or output.type,
                output.type + (" (a list)" if output.is_list else ""),
                output.tooltip,
            )
            for output in spec.outputs
        ]
        parts.append(_table("Outputs", ("Name", "Type", "What it is"), rows))
    parts.append(
        f"Class type in prompts: `{spec.id}`, of `{spec.module}`, in *{_plain(spec.category or 'no category')}*."
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def translated(spec: NodeSpec, said: Mapping[str, Json]) -> NodeSpec:
    """The node in another language, as far as a pack's `nodeDefs` for it go; the rest stays as the node says it."""
    inputs = _objects(said.get("inputs"))
    outputs = _objects(said.get("outputs"))
    return replace(
        spec,
        display_name=_text(said.get("display_name")) or spec.display_name,
        description=_text(said.get("description")) or spec.description,
        inputs=tuple(
            replace(entry, options={**entry.options, "tooltip": tooltip})
            if (tooltip := _text(inputs.get(entry.name, {}).get("tooltip")))
            else entry
            for entry in spec.inputs
        ),
        outputs=tuple(
            replace(output, tooltip=_text(outputs.get(str(index), {}).get("tooltip")) or output.tooltip)
            for index, output in enumerate(spec.outputs)
        ),
    )


def _objects(value: Json) -> Mapping[str, Mapping[str, Json]]:
    if not isinstance(value, Mapping):
        return {}
    return {name: item for name, item in value.items() if isinstance(item, Mapping)}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _flags(spec: NodeSpec) -> Iterator[str]:
    if spec.is_output:
        yield "It starts a run: what it needs is computed, nothing else is."
    if spec.deprecated:
        yield "**Deprecated**: old workflows may use it, new ones should not."
    if spec.experimental:
        yield "**Experimental**: it may change."


def _kind(entry: InputSpec) -> str:
    return entry.type + ("" if entry.section is Section.REQUIRED else " (may be missing)")


def _about(entry: InputSpec) -> str:
    """The tooltip, then bounds and choices."""
    said = str(entry.options.get("tooltip") or "").strip().rstrip(".")
    bounds = [
        f"{word} {str(entry.options[option])[:40]}"
        for option, word in SHOWN_OPTIONS
        if entry.options.get(option) not in (None, "")
    ]
    if entry.choices is not None:
        values = [str(value)[:40] for value in entry.choices.values]
        more = [f"the files of {entry.choices.folder}"] if entry.choices.folder else []
        rest = ["..."] if len(values) > MOST_CHOICES else []
        bounds.append("one of " + ", ".join((*values[:MOST_CHOICES], *rest, *more)))
    return ". ".join(part for part in (said, ", ".join(bounds)) if part)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"## {title}", "", _row(head), _row(["---"] * len(head))]
    return "\n".join(
        (*lines, *(_row([f"`{name}`", *(_plain(text) for text in rest)]) for name, *rest in rows))
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(text: str) -> str:
    """Text that stays text: no tag of a pack becomes one of the page."""
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
