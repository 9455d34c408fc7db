"""CLIP_VISION as packs hold it, and what it sees: objects with the field's names, over our vision models."""

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from nodes.compat.faced import Face, session
from nodes.compat.standing import refuse
from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.vision import DEVIATIONS, MEANS, LoadedVision, load_vision, prepared
from nodes.diffusion.models.vision_files import find_vision
from nodes.diffusion.values import CheckpointRef
from nodes.diffusion.vision_values import ClipVision, ClipVisionOutput

PARTS = tuple(field.name for field in fields(ClipVisionOutput))
WHOLE, STRETCHED = "center", "none"  # ways to make a square of a picture
SIDE = 224  # pixels, of CLIP's pictures


class Output:
    """What a vision model saw, by attribute or by item. Packs make empty ones, and fill them."""

    def __init__(self) -> None:
        self.image_embeds: Tensor | None = None
        self.last_hidden_state: Tensor | None = None
        self.penultimate_hidden_states: Tensor | None = None
        self.image_sizes: Any = []
        self.mm_projected: Tensor | None = None
        self.low: Tensor | None = None
        self.middle: Tensor | None = None
        self.weft_seen: ClipVisionOutput | None = None  # that it came from

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)


class ClipVisionModel(Face):
    """A network that reads pictures [batch height width channel], 0 to 1."""

    recipe: ClipVision

    def __init__(self, recipe: Any = None, *_more: object) -> None:
        """Of a recipe: settings alone are no model."""
        if not isinstance(recipe, ClipVision):
            refuse("comfy.clip_vision.ClipVisionModel of settings: load a file instead")
        super().__init__(recipe)

    def encode_image(self, image: Tensor, crop: bool = True) -> Output:
        """What it sees: all of a square in the middle (`crop`), or the whole picture stretched to one."""
        with session() as loaded:
            eye = loaded.beside(Part.VISION, self.recipe.checkpoint, load_vision)
            return seen(eye.read(image, WHOLE if crop else STRETCHED))

    def _told(self, name: str) -> Any:
        with session() as loaded:
            eye: LoadedVision = loaded.beside(Part.VISION, self.recipe.checkpoint, load_vision)
            return getattr(eye, name)

    @property
    def patcher(self) -> Any:
        """What `load_model_gpu` takes; the pool loads it when it is used."""
        return self

    @property
    def load_device(self) -> torch.device:
        """Where it computes."""
        return self._told("device")

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self._told("dtype")

    @property
    def image_size(self) -> int:
        """The side of the pictures that it reads, in pixels."""
        return self._told("size")

    @property
    def image_mean(self) -> list[float]:
        """Of the colours that it was trained on."""
        return list(self._told("means"))

    @property
    def image_std(self) -> list[float]:
        """How far they go around it."""
        return list(self._told("deviations"))


def vision_of(file: CheckpointRef) -> ClipVisionModel | None:
    """The vision model of a file; None where it holds none, as folders do. Other errors as `find_vision`."""
    if file.path.is_dir():
        return None
    try:
        find_vision(file.path)
    except CheckpointUnknown:
        return None
    return ClipVisionModel(ClipVision(file))


def clip_preprocess(
    image: Tensor,
    size: int = SIDE,
    mean: Any = MEANS,
    std: Any = DEVIATIONS,
    crop: bool = True,
) -> Tensor:
    """Pictures as a vision model reads them, [batch channel size size]."""
    planes = prepared(image, size, WHOLE if crop else STRETCHED)
    middle, spread = (planes.new_tensor(list(part)).reshape(1, -1, 1, 1) for part in (mean, std))
    return (planes - middle) / spread


def seen(value: ClipVisionOutput) -> Output:
    """What was seen, as packs hold it."""
    made = Output()
    for name in PARTS:
        setattr(made, name, _part(value, name))
    made.weft_seen = value
    return made


def _part(value: ClipVisionOutput, name: str) -> Any:
    """A part of what was seen; None: a pack had left it out."""
    part = getattr(value, name)
    return None if isinstance(part, Tensor) and part.numel() == 0 else part


def outward(value: object) -> object:
    """As packs hold it; None: it is neither a vision model nor what one saw."""
    if isinstance(value, ClipVision):
        return ClipVisionModel(value)
    return seen(value) if isinstance(value, ClipVisionOutput) else None


def inward(value: object) -> object:
    """As the rest of Weft holds it; None: it is nothing that a vision model saw.

    Raises:
        NotOffered: a pack made it and left its states out.
    """
    if not isinstance(value, Output):
        return None
    before = value.weft_seen
    if before is not None and all(getattr(value, name) is _part(before, name) for name in PARTS):
        return before
    last, penultimate = value.last_hidden_state, value.penultimate_hidden_states
    if last is None and penultimate is None and value.image_embeds is None:
        refuse("a comfy.clip_vision.Output that is empty")
    absent = torch.zeros(1, 0, 0)  # of no width: a network that reads what a pack left out says so
    sizes = tuple((int(a), int(b), int(c)) for a, b, c in value.image_sizes or ())
    return ClipVisionOutput(
        value.image_embeds,
        absent if last is None else last,
        absent if penultimate is None else penultimate,
        sizes,
        value.mm_projected,
        value.low,
        value.middle,
    )


def outward_beside(options: dict[str, Any]) -> dict[str, Any]:
    """What lies beside a prompt, with what was seen as packs hold it."""
    return _beside(options, outward)


def inward_beside(options: dict[str, Any]) -> dict[str, Any]:
    """The same, as the rest of Weft holds it."""
    return _beside(options, inward)


def _beside(options: dict[str, Any], form: Any) -> dict[str, Any]:
    if "clip_vision_output" in options:
        value = options["clip_vision_output"]
        made = form(value)
        options = {**options, "clip_vision_output": value if made is None else made}
    if "unclip_conditioning" in options:
        listed = [_beside(dict(entry), form) for entry in options["unclip_conditioning"]]
        options = {**options, "unclip_conditioning": listed}
    return options
