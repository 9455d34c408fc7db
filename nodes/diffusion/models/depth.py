"""Depth of pictures, by networks of transformers: Depth Anything and DPT, from the file and the settings beside it.

Source: Yang et al. 2024 (Depth Anything, arXiv:2401.10891 and 2406.09414); Ranftl et al. 2021 (DPT, arXiv:2103.13413).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as Pictures
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, open_weights, read_json
from nodes.diffusion.models.load import Placement
from nodes.diffusion.values import Image

SETTINGS, READING = "config.json", "preprocessor_config.json"
KINDS = ("depth_anything", "dpt")
USUAL: Mapping[str, Mapping[str, Any]] = {  # how pictures are read, where no file says it
    "depth_anything": {
        "size": {"height": 518, "width": 518},
        "keep_aspect_ratio": True,
        "ensure_multiple_of": 14,
        "resample": 3,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    },
    "dpt": {},
}


@dataclass(frozen=True, slots=True, eq=False)
class LoadedDepth:
    """A network at work.

    Attributes:
        read: makes what it reads of a picture.
    """

    module: nn.Module
    read: Callable[[Pictures.Image], Tensor]
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def depth(self, image: Image) -> Tensor:
        """How near each place is, as the network says it, Float[batch height width], on the CPU: larger is nearer."""
        made: list[Tensor] = []
        for picture in image[..., :3]:
            pixels = (picture.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()
            seen = self.read(Pictures.fromarray(cast("Any", np.ascontiguousarray(pixels))))
            answer = cast("Any", self.module)(seen.to(self.device, self.dtype)).predicted_depth.float()
            sized = F.interpolate(answer[:, None], picture.shape[:2], mode="bicubic", align_corners=False)
            made.append(sized[0, 0].cpu())
        return torch.stack(made)


def load_depth(path: Path, placement: Placement) -> LoadedDepth:
    """The network of a file, as transformers saves it: settings lie beside it.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, damaged, or without its settings.
        CheckpointUnknown: it is another kind of network.
    """
    weights = open_weights(path)
    settings = path.with_name(SETTINGS)
    if not settings.is_file():
        what = "there is no config.json beside it, which says how it was built"
        files = "model.safetensors, config.json, preprocessor_config.json"
        hint = f"Put the files of the model's page into a folder of their own: {files}."
        raise CheckpointUnreadable(path, what, hint)
    said = read_json(settings)
    kind = str(said.get("model_type"))
    if kind not in KINDS:
        raise CheckpointUnknown(path, "a network for depth (Depth Anything, DPT)", f"it is a {kind}")
    module = unfilled(lambda: _network(kind, said), path)
    names = [(name, name) for name in weights.shapes]
    fill(module, weights, names, placement.device, placement.text_dtype)
    beside = path.with_name(READING)
    return LoadedDepth(
        module,
        _reader(path, read_json(beside) if beside.is_file() else USUAL[kind]),
        placement.device,
        placement.text_dtype,
    )


def _network(kind: str, said: Mapping[str, Any]) -> nn.Module:
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        DPTConfig,
        DPTForDepthEstimation,
    )

    if kind == KINDS[0]:
        return DepthAnythingForDepthEstimation(DepthAnythingConfig(**said))
    return DPTForDepthEstimation(DPTConfig(**said))


def _reader(path: Path, said: Mapping[str, Any]) -> Callable[[Pictures.Image], Tensor]:
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    own = {"image_processor_type", "processor_class", "_valid_processor_keys", "feature_extractor_type"}
    try:
        processor = DPTImageProcessorPil(**{name: value for name, value in said.items() if name not in own})
    except (TypeError, ValueError) as error:
        raise CheckpointUnreadable(
            path, f"the settings in {READING} are none of its kind ({error})", AGAIN
        ) from error

    def read(picture: Pictures.Image) -> Tensor:
        return cast("Any", processor)(images=picture, return_tensors="pt")["pixel_values"]

    return read
