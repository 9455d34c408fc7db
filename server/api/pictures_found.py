"""Pictures that jobs made, found again by what was asked for: words of prompts, models, seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nodes.spec import Json
from server.jobs.job import Record

FAVOURITE = "favourite"  # the tag of pictures that people want to find again
SHOWN = ("images", "gifs")
TEXTS = ("text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "prompt", "positive", "negative")
SEEDS = ("seed", "noise_seed")
ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".gguf", ".bin")
MOST_TEXT = 2000  # characters of a prompt that are told


@dataclass(frozen=True, slots=True)
class Asked:
    """What a picture was made of: the nearest first."""

    prompts: Sequence[str]
    models: Sequence[str]
    seeds: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A file that a node of a job showed."""

    record: Record
    node: str
    file: Mapping[str, Json]
    asked: Asked

    def answers(self, words: Sequence[str]) -> bool:
        """Whether all words, in lower case, stand somewhere in what is known of it."""
        asked, extra = self.asked, self.record.job.wish.extra
        parts = [
            *asked.prompts,
            *asked.models,
            *asked.seeds,
            str(self.file.get("filename", "")),
            name_of(extra),
        ]
        text = "\n".join(parts).lower()
        return all(word in text for word in words)


def shown_by(record: Record) -> Iterator[Shown]:
    """Pictures and films of a job."""
    if record.result is None:
        return
    prompt = cast("Mapping[str, Json]", record.job.wish.prompt)
    for node, output in record.result.outputs.items():
        asked: Asked | None = None
        for kind in SHOWN:
            for item in output.get(kind, ()):
                if isinstance(item, Mapping) and isinstance(item.get("filename"), str):
                    asked = asked or asked_for(prompt, node)
                    yield Shown(record, node, item, asked)


def asked_for(prompt: Mapping[str, Json], node: str) -> Asked:
    """What stands in a node and in all that it depends on."""
    prompts: dict[str, None] = {}
    models: dict[str, None] = {}
    seeds: dict[str, None] = {}
    for inputs in _before(prompt, node):
        for name, value in inputs.items():
            if isinstance(value, bool):
                continue
            if name in SEEDS and isinstance(value, int):
                seeds[str(value)] = None
            elif isinstance(value, str) and (
                value.lower().endswith(ENDINGS) or name in ("ckpt_name", "control_net_name")
            ):
                models[value] = None
            elif isinstance(value, str) and name in TEXTS and value.strip():
                prompts[value[:MOST_TEXT]] = None
    return Asked(list(prompts), list(models), list(seeds))


def name_of(extra: Mapping[str, Json]) -> str:
    """What the workflow was called."""
    name = extra.get("weft_name")
    return name if isinstance(name, str) else ""


def _before(prompt: Mapping[str, Json], node: str) -> Iterator[Mapping[str, Json]]:
    """Inputs of a node and of those before it, each once, the nearest first."""
    waiting, seen = [node], {node}
    for id in waiting:
        fields = prompt.get(id)
        inputs = fields.get("inputs") if isinstance(fields, Mapping) else None
        if not isinstance(inputs, Mapping):
            continue
        yield inputs
        for value in inputs.values():
            if (
                isinstance(value, list)
                and len(value) == 2
                and isinstance(value[0], str)
                and value[0] not in seen
            ):
                seen.add(value[0])
                waiting.append(value[0])
