"""Poses of people by ViTPose, as transformers has it: a person's box to the places of 17 points of the body.

Sources: Xu et al. 2022 (ViTPose, arXiv:2204.12484); Huang et al. 2020 (unbiased boxes, arXiv:1911.07524);
Zhang et al. 2020 (DARK, arXiv:1910.06278), eq. 9, for places between those of a map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import open_weights, read_json
from nodes.diffusion.models.load import Placement

SETTINGS, KIND = "config.json", "vitpose"
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ROOM = 1.25  # of a box around a person
SPREAD, REACH = 0.8, 5  # of the Gaussian over a map: deviation and radius
LEAST, MOST = 0.001, 50.0
Box = tuple[float, float, float, float]  # left, top, width, height, in pixels


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One person: places in pixels, Float[point 2] (x, y), and how sure each is, Float[point]."""

    places: Tensor
    sure: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPose:
    """ViTPose at work; `size` is the height and width that it reads."""

    module: nn.Module
    size: tuple[int, int]
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def poses(self, picture: Tensor, boxes: Sequence[Box]) -> list[Pose]:
        """The people in boxes of a picture, Float[3 height width] in 0..1."""
        found: list[Pose] = []
        for box in boxes:
            centre, reach = self._around(box)
            seen = self._seen((picture * 255.0).round(), centre, reach).to(self.device, self.dtype)
            answer = cast("Any", self.module)(
                pixel_values=seen[None], dataset_index=torch.zeros(1, dtype=torch.long)
            )
            maps = answer.heatmaps[0].float().cpu()
            places, sure = _read(maps)
            steps = torch.tensor((maps.shape[2] - 1.0, maps.shape[1] - 1.0))
            found.append(Pose(places * reach / steps + centre - reach / 2.0, sure))
        return found

    def _around(self, box: Box) -> tuple[Tensor, Tensor]:
        """The middle of a box, and its sides with room around at the aspect that the network reads."""
        left, top, width, height = box
        aspect = self.size[1] / self.size[0]
        wide, tall = max(width, height * aspect), max(height, width / aspect)
        return torch.tensor((left + width / 2.0, top + height / 2.0)), torch.tensor((wide, tall)) * ROOM

    def _seen(self, picture: Tensor, centre: Tensor, reach: Tensor) -> Tensor:
        """What lies in a box at the network's size, Float[3 height width], normalised; black where the picture ends."""
        rows, columns = self.size
        height, width = picture.shape[-2:]
        x = torch.arange(columns) * (reach[0] / (columns - 1.0)) + centre[0] - reach[0] / 2.0
        y = torch.arange(rows) * (reach[1] / (rows - 1.0)) + centre[1] - reach[1] / 2.0
        grid = torch.stack(
            torch.meshgrid(x * 2 / max(width - 1, 1) - 1, y * 2 / max(height - 1, 1) - 1, indexing="xy"), -1
        )
        made = F.grid_sample(
            picture[None], grid[None], mode="bilinear", padding_mode="border", align_corners=True
        )[0]
        inside = ((x >= 0) & (x <= width - 1))[None, :] & ((y >= 0) & (y <= height - 1))[:, None]
        mean, deviation = (torch.tensor(part).view(3, 1, 1) for part in (MEANS, DEVIATIONS))
        return (made * inside / 255.0 - mean) / deviation


def _read(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The highest places of maps [point height width], Float[point 2], between their own by at most one; and how high."""
    points, _, width = maps.shape
    sure, index = maps.flatten(1).max(1)
    places = torch.stack((index % width, index // width), -1)
    steps = torch.arange(-REACH, REACH + 1.0)
    kernel = torch.exp(-(steps**2) / (2 * SPREAD**2))
    kernel = kernel / kernel.sum()
    smooth = _mirrored(_mirrored(maps, kernel), kernel)
    level = F.pad(smooth.clamp(LEAST, MOST).log()[None], (1, 1, 1, 1), mode="replicate")[0]
    row, x, y = torch.arange(points), places[:, 0] + 1, places[:, 1] + 1

    def at(dx: int, dy: int) -> Tensor:
        return level[row, y + dy, x + dx]

    slope = torch.stack((at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)), -1) * 0.5
    across, down = at(1, 0) - 2 * at(0, 0) + at(-1, 0), at(0, 1) - 2 * at(0, 0) + at(0, -1)
    mixed = 0.5 * (at(1, 1) - at(1, 0) - at(0, 1) + 2 * at(0, 0) - at(-1, 0) - at(0, -1) + at(-1, -1))
    bends = torch.stack((across, mixed, mixed, down), -1).reshape(points, 2, 2)
    moved = torch.inverse(bends + torch.finfo(torch.float32).eps * torch.eye(2)) @ slope[..., None]
    return places - moved[..., 0].clamp(-1.0, 1.0), sure


def _mirrored(maps: Tensor, kernel: Tensor) -> Tensor:
    """One axis of maps under a kernel, edges mirrored with themselves; the axes change places."""
    turned = maps.transpose(1, 2)
    size = turned.shape[1]
    index = torch.arange(-REACH, size + REACH) % (2 * size)
    index = torch.where(index < size, index, 2 * size - 1 - index)
    windows = turned[:, index].unfold(1, len(kernel), 1)
    return windows @ kernel


def load_pose(path: Path, placement: Placement) -> LoadedPose:
    """The ViTPose of a file, as transformers saves it: settings lie beside it.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, damaged, or without its settings.
        CheckpointUnknown: it is another kind of network.
    """
    weights = open_weights(path)
    settings = path.with_name(SETTINGS)
    if not settings.is_file():
        what = "there is no config.json beside it, which says how it was built"
        raise CheckpointUnreadable(
            path, what, "Put model.safetensors and config.json into a folder of their own."
        )
    said = read_json(settings)
    if said.get("model_type") != KIND:
        raise CheckpointUnknown(path, "a network for poses (ViTPose)", f"it is a {said.get('model_type')}")

    def make() -> nn.Module:
        from transformers import VitPoseConfig, VitPoseForPoseEstimation

        return VitPoseForPoseEstimation(VitPoseConfig(**said))

    module = unfilled(make, path)
    names = [(name, name) for name in weights.shapes]
    fill(module, weights, names, placement.device, placement.text_dtype)
    rows, columns = cast("Any", module).config.backbone_config.image_size
    return LoadedPose(module, (int(rows), int(columns)), placement.device, placement.text_dtype)
