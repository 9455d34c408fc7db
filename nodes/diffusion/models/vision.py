"""Vision models: CLIP's and SigLIP from a single file, and how pictures are made ready for them.

Sources: Radford et al. 2021 (CLIP, arXiv:2103.00020); Zhai et al. 2023 (SigLIP, arXiv:2303.15343); the projector for
language models, Liu et al. 2023 (LLaVA 1.5, arXiv:2310.03744).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.clip import BLOCK, LAYER, THIRDS
from nodes.diffusion.models.files import AGAIN, Shape
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.text_files import count
from nodes.diffusion.models.vision_files import FoundVision, VisionLayout, find_vision, names_of
from nodes.diffusion.values import Image
from nodes.diffusion.vision_values import ClipVisionOutput

MEANS, DEVIATIONS = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)  # of CLIP's pictures
HALVES = (0.5, 0.5, 0.5)  # of SigLIP's
HEADS, HEAD_WIDTH, LARGE = 16, 64, 1024  # large ones have 16 heads, whatever their width
HUGE_LAYERS = 30  # at least, of the models that OpenCLIP trained, which have another activation
PROJECTOR = "multi_modal_projector."
COLOURS = 3
LOW, MIDDLE = 20, 11  # states from the end that style references read


@dataclass(frozen=True, slots=True, eq=False)
class LoadedVision:
    """A vision model at work.

    Attributes:
        module: a `CLIPVisionModel` or `SiglipVisionModel` of transformers, with `visual_projection` and `projector` beside
            it where the file has them.
        size: of a side of the pictures that it reads, in pixels.
        means, deviations: of the colours that it was trained on, 0 to 1.
    """

    module: nn.Module
    size: int
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def read(self, image: Image, crop: str = "center") -> ClipVisionOutput:
        """What the network makes of pictures; `crop` as for `prepared`."""
        planes = prepared(image, self.size, crop)
        mean, deviation = (
            planes.new_tensor(part).reshape(1, -1, 1, 1) for part in (self.means, self.deviations)
        )
        return self._seen((planes - mean) / deviation)

    @torch.no_grad()
    def blank(self) -> ClipVisionOutput:
        """What it makes of nothing: a picture of the mean colour, and zeros for its vector.

        Source: Ye et al. 2023 (IP-Adapter, arXiv:2308.06721), whose networks were trained so without a picture.
        """
        made = self._seen(torch.zeros(1, COLOURS, self.size, self.size))
        whole = made.image_embeds
        return replace(made, image_embeds=None if whole is None else torch.zeros_like(whole))

    def _seen(self, planes: Tensor) -> ClipVisionOutput:
        """What it makes of colours as it was trained to read them."""
        seen = planes.to(self.device, self.dtype)
        parts = cast("Any", self.module)
        made = parts.network(pixel_values=seen, output_hidden_states=True)
        whole = made.pooler_output
        if whole is not None and "projection" in parts:
            whole = parts.projection(whole)
        before = made.hidden_states[-2]
        projected = parts.projector(before[:, 1:]) if "projector" in parts else None
        sizes = ((COLOURS, self.size, self.size),) * len(planes)
        low, middle = (
            made.hidden_states[-depth] if self.means == HALVES and len(made.hidden_states) >= LOW else None
            for depth in (LOW, MIDDLE)
        )
        return ClipVisionOutput(
            _kept(whole),
            made.last_hidden_state.float().cpu(),
            before.float().cpu(),
            sizes,
            _kept(projected),
            _kept(low),
            _kept(middle),
        )


def _kept(made: Tensor | None) -> Tensor | None:
    return None if made is None else made.float().cpu()


def prepared(image: Image, size: int, crop: str) -> Tensor:
    """Pictures as planes of a square, Float[batch 3 size size], rounded to 256 levels.

    Args:
        crop: "center" keeps the aspect and cuts both ends off evenly, anything else stretches. Pictures that have the size
            already stay as they are.
    """
    planes = image[..., :COLOURS].movedim(-1, 1).float()
    height, width = planes.shape[-2:]
    if (height, width) != (size, size):
        wanted = (size, size)
        if crop == "center":
            scale = size / min(height, width)
            wanted = (round(scale * height), round(scale * width))
        planes = F.interpolate(planes, wanted, mode="bicubic", antialias=True)
        top, left = (wanted[0] - size) // 2, (wanted[1] - size) // 2
        planes = planes[..., top : top + size, left : left + size]
    return (planes * 255.0).clamp(0.0, 255.0).round() / 255.0


def load_vision(path: Path, placement: Placement) -> LoadedVision:
    """The vision model of a file. Errors as `find_vision`; CheckpointUnreadable where tensors are missing or odd."""
    found = find_vision(path)
    siglip = found.layout is VisionLayout.SIGLIP
    settings = _settings(found)
    network = unfilled(lambda: _network(settings, siglip), path)
    nested = any(name.startswith("vision_model.") for name in network.state_dict())
    names = [(theirs, f"vision_model.{ours}" if nested else ours) for theirs, ours in names_of(found)]
    device, dtype = placement.device, placement.text_dtype
    joined = found.layout is VisionLayout.OPEN_CLIP
    for name, places in [
        (name, buffer) for name, buffer in network.named_buffers() if "position_ids" in name
    ]:
        owner = network.get_submodule(name.rpartition(".")[0])
        owner.register_buffer(
            "position_ids", torch.arange(places.shape[-1], device=device)[None], persistent=False
        )
    fill(network, found.weights, names, device, dtype, lambda name, tensor: _third(name, tensor, joined))
    parts = nn.ModuleDict({"network": network})
    projection = _projection(found, device, dtype)
    if projection is not None:
        parts["projection"] = projection
    if found.outer + PROJECTOR + "linear_1.weight" in found.weights.shapes:
        parts["projector"] = _projector(found, device, dtype)
    colours = (HALVES, HALVES) if siglip else (MEANS, DEVIATIONS)
    return LoadedVision(parts, settings["image_size"], *colours, device, dtype)


def _network(settings: Mapping[str, Any], siglip: bool) -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

    if siglip:
        return SiglipVisionModel(SiglipVisionConfig(**settings))
    return CLIPVisionModel(CLIPVisionConfig(**settings))


def _settings(found: FoundVision) -> dict[str, Any]:
    shapes, opened = found.shapes, found.layout is VisionLayout.OPEN_CLIP
    siglip = found.layout is VisionLayout.SIGLIP
    try:
        width, _, _, patch = shapes["conv1.weight" if opened else "embeddings.patch_embedding.weight"]
        places = shapes["positional_embedding" if opened else "embeddings.position_embedding.weight"][0]
        inner = shapes[f"{BLOCK}0.mlp.c_fc.weight" if opened else f"{LAYER}0.mlp.fc1.weight"][0]
    except (KeyError, ValueError) as error:
        what = f"its vision model lacks {error}, or has it in another shape"
        raise CheckpointUnreadable(found.weights.path, what, AGAIN) from error
    layers = count(shapes, BLOCK if opened else LAYER)
    settings: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS if width >= LARGE else max(1, width // HEAD_WIDTH),
        "patch_size": patch,
        "image_size": math.isqrt(places if siglip else places - 1) * patch,
    }
    if siglip:
        return settings | {"vision_use_head": "head.probe" in shapes}
    return settings | {"hidden_act": "gelu" if layers >= HUGE_LAYERS else "quick_gelu"}


def _projection(found: FoundVision, device: torch.device, dtype: torch.dtype) -> nn.Module | None:
    """What maps the whole picture's vector to where texts are, where the file has it."""
    usual, turned = found.outer + "visual_projection.weight", found.prefix + "proj"
    shapes: Mapping[str, Shape] = found.weights.shapes
    name = next((name for name in (usual, turned) if name in shapes), None)
    if name is None:
        return None
    rows, columns = shapes[name]
    width, made = (rows, columns) if name == turned else (columns, rows)
    module = unfilled(lambda: nn.Linear(width, made, bias=False), found.weights.path)

    def as_ours(_name: str, tensor: Tensor) -> Tensor:
        return tensor.T.contiguous() if name == turned else tensor

    return fill(module, found.weights, [(name, "weight")], device, dtype, as_ours)


def _projector(found: FoundVision, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """LLaVA's two layers, from patches to words of its language model."""
    before = found.outer + PROJECTOR
    inner, width = found.weights.shapes[before + "linear_1.weight"]
    made = found.weights.shapes[before + "linear_2.weight"][0]
    module = unfilled(
        lambda: nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, made)), found.weights.path
    )
    names = [
        (f"{before}linear_{layer}.{kind}", f"{place}.{kind}")
        for layer, place in ((1, 0), (2, 2))
        for kind in ("weight", "bias")
    ]
    return fill(module, found.weights, names, device, dtype)


def _third(name: str, tensor: Tensor, joined: bool) -> Tensor:
    """The part of a joined matrix that a network's tensor is."""
    for index, third in enumerate(THIRDS):
        if joined and f".{third}." in name:
            return tensor.chunk(3)[index]
    return tensor
