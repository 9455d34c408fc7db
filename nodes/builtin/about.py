"""The field's nodes as a table for people: which are here, and why the others are not."""

import sys
from collections.abc import Mapping

from nodes.builtin import all_nodes

HEAD = ("node", "here")
YES = "yes"
OURS = "Weft"  # how the names of nodes begin that are ours alone

# Why the others are not here, and which.
REASONS: Mapping[str, str] = {
    "family": "belongs to a family of models that Weft does not load yet",
    "unknown": "gives a constant of 2,048 numbers, of which no more than 26 are recorded",
    "canvas": "needs a view of three dimensions on the canvas",
    "later": "for families that Weft loads, but not written yet",
}
MISSING: Mapping[str, str] = {
    "family": """ChromaRadianceOptions HunyuanVideo15LatentUpscaleWithModel
    LTXAVTextEncoderLoader LTXVAudioVAEDecode LTXVAudioVAEEncode LTXVAudioVAELoader
    LTXVEmptyLatentAudio LTXVLatentUpsampler LatentUpscaleModelLoader TextEncodeAceStepAudio
    TextEncodeHunyuanVideo_ImageToVideo VAEDecodeHunyuan3D""",
    "unknown": "LotusConditioning",
    "canvas": "Load3D",
    "later": "TextEncodeQwenImageEdit TextEncodeQwenImageEditPlus",
}


def statuses() -> dict[str, str]:
    """Every node of the field by name, sorted: `YES`, or a word of `REASONS`."""
    here = {entry.spec.id: YES for entry in all_nodes() if not entry.spec.id.startswith(OURS)}
    missing = {name: word for word, names in MISSING.items() for name in names.split()}
    return dict(sorted({**missing, **here}.items()))


def table() -> str:
    """A page in Markdown: what the words mean, then a line for each node."""
    found = statuses()
    count = sum(word == YES for word in found.values())
    lines = [
        "# The field's nodes",
        "",
        f"{count} of {len(found)} are here. Written by `python -m nodes.builtin.about > nodes/builtin/NODES.md`.",
        "",
        *(f"- `{word}`: {why}" for word, why in REASONS.items()),
        "",
        f"| {' | '.join(HEAD)} |",
        "|---|---|",
        *(f"| {name} | {word} |" for name, word in found.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
