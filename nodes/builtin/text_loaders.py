"""Text encoders from files of their own: one, or the several that a family reads together."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from nodes.builtin.kinds import ClipIn, ClipOut
from nodes.builtin.models import reference, there, told
from nodes.diffusion.models.text_files import find_texts, readable
from nodes.diffusion.text import known_type
from nodes.diffusion.values import CheckpointRef, Clip
from nodes.spec import Combo, Context, Int, Json, node

FOLDER = "text_encoders"
TYPES = tuple(
    """stable_diffusion stable_cascade sd3 stable_audio mochi ltxv pixart cosmos lumina2 wan hidream chroma ace omnigen2
    qwen_image hunyuan_image flux2 ovis""".split()
)
PAIR_TYPES = tuple(
    """sdxl sd3 flux hunyuan_video hidream hunyuan_image hunyuan_video_15 kandinsky5 kandinsky5_image ltxv
    newbie""".split()
)
T5_NAMES = ("t5xxl", "pile_t5xl", "t5base", "mt5xl", "umt5xxl")
File = Annotated[str, Combo(folder=FOLDER)]
NewFile = Annotated[str, Combo(folder=FOLDER, bare=False)]
Device = Annotated[str, Combo(("default", "cpu"), optional=True, advanced=True)]
Count = Annotated[int, Int(minimum=0, maximum=10000, step=1)]


def _contents(*names: str) -> Callable[..., str]:
    """A change token: the contents of the files that some inputs name."""

    def token(ctx: Context, **inputs: Json) -> str:
        return " ".join(reference(ctx, FOLDER, str(inputs[name])).content for name in names)

    return token


@node("CLIPLoader", name="Load CLIP", category="advanced/loaders", change_token=_contents("clip_name"))
def clip_loader(
    ctx: Context, clip_name: File, type: Annotated[str, Combo(TYPES)], device: Device = "default"
) -> ClipOut:
    """A text encoder from a file of its own. Which one it is shows in the file; `type` says for which model."""
    return _clip(ctx, (clip_name,), type)


@node("DualCLIPLoader", category="advanced/loaders", change_token=_contents("clip_name1", "clip_name2"))
def dual_clip_loader(
    ctx: Context,
    clip_name1: File,
    clip_name2: File,
    type: Annotated[str, Combo(PAIR_TYPES)],
    device: Device = "default",
) -> ClipOut:
    """Two text encoders that a model reads together, in either order."""
    return _clip(ctx, (clip_name1, clip_name2), type)


@node(
    "TripleCLIPLoader",
    category="advanced/loaders",
    change_token=_contents("clip_name1", "clip_name2", "clip_name3"),
)
def triple_clip_loader(
    ctx: Context, clip_name1: NewFile, clip_name2: NewFile, clip_name3: NewFile
) -> ClipOut:
    """The three text encoders of Stable Diffusion 3, in any order."""
    return _clip(ctx, (clip_name1, clip_name2, clip_name3), "sd3")


@node(
    "QuadrupleCLIPLoader",
    category="advanced/loaders",
    change_token=_contents("clip_name1", "clip_name2", "clip_name3", "clip_name4"),
)
def quadruple_clip_loader(
    ctx: Context, clip_name1: NewFile, clip_name2: NewFile, clip_name3: NewFile, clip_name4: NewFile
) -> ClipOut:
    """The four text encoders of HiDream, in any order."""
    return _clip(ctx, (clip_name1, clip_name2, clip_name3, clip_name4), "hidream")


@node("T5TokenizerOptions", category="_for_testing/conditioning", experimental=True)
def t5_tokenizer_options(
    ctx: Context, clip: ClipIn, min_padding: Count = 0, min_length: Count = 0
) -> ClipOut:
    """How far T5's prompts are filled up: padding after the end, and tokens at least."""
    padding = dict.fromkeys(T5_NAMES, (min_padding, min_length))
    return replace(there(clip), padding=padding)


def _clip(ctx: Context, names: tuple[str, ...], kind: str) -> Clip:
    files: list[CheckpointRef] = []
    for name in names:
        files.append(reference(ctx, FOLDER, name))
        with told():  # so that what cannot be read is named here, not at the first prompt
            known_type(kind)
            for found in find_texts(files[-1].path):
                readable(found)
    return Clip(files[0], others=tuple(files[1:]), kind=kind)


NODES = (clip_loader, dual_clip_loader, triple_clip_loader, quadruple_clip_loader, t5_tokenizer_options)
