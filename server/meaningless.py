"""Options of the field that mean nothing here, and why. They are taken: a line says so, and the start goes on."""

import argparse
import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Takes(StrEnum):
    """How many values an option takes, in argparse's words."""

    NOTHING = "0"
    ONE = "1"
    MAYBE = "?"
    SOME = "*"


@dataclass(frozen=True, slots=True)
class Meaningless:
    """Options without meaning here, and why. Names are written without the leading dashes."""

    names: tuple[str, ...]
    why: str
    takes: Takes = Takes.NOTHING


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ATTENTION = "attention is always PyTorch's own, which chooses the fastest kernel that the device has"
MEMORY = "Weft plans where models lie by itself; --vram-budget, --lowvram and --novram say otherwise"
KERNELS = "Weft leaves the choice of kernels to PyTorch"
MANAGER = "Weft has no such manager; `weft packs` says how packs fare"
FP8 = "in eight bits, denoising networks alone are kept, by --fp8_e4m3fn-unet or --fp8_e5m2-unet"
FILES = "weights are read straight from their files, one at a time"

MEANINGLESS: Sequence[Meaningless] = (
    Meaningless(
        _names(
            "use-split-cross-attention use-quad-cross-attention use-pytorch-cross-attention use-sage-attention"
            " use-flash-attention use-ck-attention disable-xformers force-upcast-attention dont-upcast-attention"
        ),
        ATTENTION,
    ),
    Meaningless(
        _names(
            "high-ram disable-smart-memory disable-dynamic-vram enable-dynamic-vram disable-nvml-pressure"
            " disable-async-offload force-non-blocking cpu-vae"
        ),
        MEMORY,
    ),
    Meaningless(_names("vram-headroom"), f"{MEMORY}; --reserve-vram leaves room on the card", Takes.ONE),
    Meaningless(_names("async-offload"), MEMORY, Takes.MAYBE),
    Meaningless(
        _names(
            "cuda-malloc disable-cuda-malloc disable-cuda-graphs enable-triton-backend disable-triton-backend"
            " force-channels-last supports-fp8-compute fp16-intermediates"
        ),
        KERNELS,
    ),
    Meaningless(_names("fast"), KERNELS, Takes.SOME),
    Meaningless(_names("directml"), "Weft computes on NVIDIA cards and processors only", Takes.MAYBE),
    Meaningless(_names("oneapi-device-selector"), "Weft computes on NVIDIA cards and processors only", Takes.ONE),
    Meaningless(
        _names(
            "fp8_e8m0fnu-unet fp8_e4m3fn-text-enc fp8_e5m2-text-enc"
        ),
        FP8,
    ),
    Meaningless(_names("mmap-torch-files disable-mmap fast-disk"), FILES),
    Meaningless(_names("enable-manager disable-manager-ui enable-manager-legacy-ui"), MANAGER),
    Meaningless(_names("disable-api-nodes"), "Weft brings no nodes that call a paid service"),
    Meaningless(_names("comfy-api-base"), "Weft brings no nodes that call a paid service", Takes.ONE),
    Meaningless(
        _names("front-end-version"),
        "Weft serves its own front end and downloads none; --front-end-root serves another one",
        Takes.ONE,
    ),
    Meaningless(_names("database-url"), "the database lies in the user directory (--user-directory)", Takes.ONE),
    Meaningless(
        _names("default-hashing-function"), "uploads of one name are compared byte by byte", Takes.ONE
    ),
    Meaningless(_names("enable-assets enable-asset-hashing"), "Weft needs no switch for what it knows of files"),
    Meaningless(_names("preview-size"), "a preview has one pixel for each latent, the least that shows all", Takes.ONE),
    Meaningless(_names("debug-hang"), "Weft says which node hangs and where, and Stop ends it"),
)  # fmt: skip


def add_meaningless(parser: argparse.ArgumentParser) -> None:
    """Take them, and list them below the help."""
    listed: list[str] = []
    for entry in MEANINGLESS:
        for name in entry.names:
            forms = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
            listed.append(f"--{name}")
            keep = argparse.SUPPRESS  # no attribute unless the option was given
            if entry.takes is Takes.NOTHING:
                parser.add_argument(*forms, action="store_true", default=keep, help=keep, dest=name)
            else:
                nargs = None if entry.takes is Takes.ONE else entry.takes.value
                parser.add_argument(*forms, nargs=nargs, default=keep, help=keep, dest=name)
    parser.epilog = f"Options of ComfyUI that are taken and mean nothing here: {' '.join(sorted(listed))}."


def notes(options: argparse.Namespace) -> Iterator[str]:
    """A line for each given option that has no meaning here, in the order of the table."""
    given = vars(options)
    for entry in MEANINGLESS:
        for name in entry.names:
            if name in given:
                yield f"--{name} means nothing here: {entry.why}."


def unknown(wrong: Sequence[str], known: Iterable[str]) -> str:
    """What to say of options that nobody knows: each with the nearest one that exists."""
    said: list[str] = []
    names = list(known)
    for text in wrong:
        name = text.split("=", 1)[0]
        near = difflib.get_close_matches(name, names, 1) if name.startswith("-") else []
        said.append(f"{text} (did you mean {near[0]}?)" if near else text)
    return f"unrecognized arguments: {' '.join(said)}"
