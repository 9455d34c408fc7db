"""Control networks of Qwen-Image that work beside each of its blocks, on what the block gives.

Source: DiffSynth-Studio 2025, Qwen-Image-Blockwise-ControlNet: `tokens + block(norm(tokens) + norm(hint)) * strength`.
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.denoiser import NO_INPUTS, ControlNetwork, NetworkInputs, Residuals
from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.controls.company import Company
from nodes.diffusion.models.controls.pictures import latents_of
from nodes.diffusion.models.families import flux, qwen_image
from nodes.diffusion.models.families.layout import count, padded
from nodes.diffusion.models.files import AGAIN, WeightFile
from nodes.diffusion.models.load import Placement
from nodes.diffusion.regions import for_batch
from nodes.diffusion.values import ControlUse

FAMILY = qwen_image.FAMILIES[0].name
SMALL = 1e-6
CHANNELS = 16


class Block(nn.Module):
    """What is added to a block's tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.x_rms, self.y_rms = nn.RMSNorm(width, SMALL), nn.RMSNorm(width, SMALL)
        self.input_proj, self.output_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, tokens: Tensor, hint: Tensor) -> Tensor:
        """Float[batch token feature] of the picture, and of the hint at the same places."""
        return self.output_proj(F.gelu(self.input_proj(self.x_rms(tokens) + self.y_rms(hint))))


class Blockwise(nn.Module):
    """A block for each of the network's, under the names of the published files."""

    def __init__(self, read: int, width: int, blocks: int) -> None:
        super().__init__()
        self.img_in = nn.Linear(read, width)
        self.controlnet_blocks = nn.ModuleList(Block(width) for _ in range(blocks))


@dataclass(frozen=True, slots=True, eq=False)
class BlockwiseInside:
    """It at work inside a network; as `Inside`."""

    blocks: nn.ModuleList
    hint: Tensor
    strength: float = 1.0

    def scaled(self, strength: float) -> "BlockwiseInside":
        """As `Inside`."""
        return replace(self, strength=self.strength * strength)

    def of_rows(self, rows: Tensor) -> "BlockwiseInside":
        """As `Inside`."""
        return replace(self, hint=self.hint[rows])

    @contextmanager
    def put_on(self, module: nn.Module) -> Generator[None]:
        """As `Inside`."""
        with ExitStack() as stack:
            for block, part in zip(cast("Any", module).transformer_blocks, self.blocks, strict=True):
                stack.callback(block.register_forward_hook(self._behind(part)).remove)
            yield

    def _behind(self, part: nn.Module) -> Callable[..., tuple[Tensor, Tensor]]:
        length = self.hint.shape[1]

        def hook(_module: nn.Module, _inputs: Any, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            text, tokens = output
            shown = tokens[:, :length]
            added = part(shown.to(self.hint), self.hint).to(tokens) * self.strength
            return text, torch.cat((shown + added, tokens[:, length:]), 1)

        return hook


@dataclass(frozen=True, slots=True, eq=False)
class BlockwiseControl:
    """Such a net, as `ControlFile` and, once it is beside a network, as `ControlNetwork`.

    Attributes:
        masks: how many channels of a mask it reads beside latents.
    """

    module: Blockwise
    device: torch.device
    dtype: torch.dtype
    masks: int = 0
    company: Company | None = None

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`."""
        blocks, _ = company.network.blocks
        width = self.module.img_in.out_features
        theirs = cast("Any", company.network.module)
        if company.network.family.name != FAMILY or len(self.module.controlnet_blocks) != blocks:
            raise company.refuse(FAMILY)
        if theirs.img_in.out_features != width:
            raise company.refuse(f"{FAMILY} of another size")
        return replace(self, company=company)

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: latents at the model's scale, and a mask for nets that read one (1 where none is given)."""
        assert self.company is not None
        made = form.to_model(latents_of(self.company, use.hint, (height, width), form))
        if not self.masks:
            return made
        mask = made.new_ones(len(made), self.masks, height, width)
        if use.mask is not None:
            planes = use.mask.reshape(-1, 1, *use.mask.shape[-2:]).to(made)
            sized = F.interpolate(planes, (height, width), mode="bilinear")
            mask = for_batch(sized, len(made)).expand(-1, self.masks, -1, -1)
        return torch.cat((made, mask), 1)

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,  # noqa: ARG002 - it reads what the network makes of them
        timestep: Tensor,  # noqa: ARG002
        context: Tensor,  # noqa: ARG002
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,  # noqa: ARG002
    ) -> Residuals:
        """As `ControlNetwork`."""
        shown = padded(hint.to(self.device, self.dtype), flux.PATCH)
        tokens = self.module.img_in(flux.packed(shown))
        return Residuals(inside=(BlockwiseInside(self.module.controlnet_blocks, tokens),))


def load_blockwise(source: WeightFile, placement: Placement) -> BlockwiseControl:
    """The net of a file.

    Raises:
        CheckpointUnreadable: tensors are missing.
    """
    blocks = count(source.shapes, "controlnet_blocks.")
    try:
        width, read = source.shapes["img_in.weight"]
    except (KeyError, ValueError) as error:
        raise CheckpointUnreadable(source.path, f"it lacks the tensor {error}", AGAIN) from error
    module = unfilled(lambda: Blockwise(read, width, blocks), source.path)
    assert isinstance(module, Blockwise)
    names = [(name, name) for name in source.shapes]
    fill(module, source, names, placement.device, placement.dtype)
    masks = read // flux.PATCH**2 - CHANNELS
    return BlockwiseControl(module, placement.device, placement.dtype, masks)
