"""T2I adapters: small networks that read a picture once and add to the levels of a U-Net's way down.

Source: Mou et al. 2023 (arXiv:2302.08453), section 3.3; the light kind is of its appendix. A tensor `body.3.block1` of the
authors' layout is `body.1.resnets.1.block1` of diffusers'.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import NO_INPUTS, ControlNetwork, NetworkInputs, Residuals
from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.hints import fitted_hint
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.build import fill, known_settings, unfilled
from nodes.diffusion.models.controls.company import SD1, SDXL, Company
from nodes.diffusion.models.files import Shape, WeightFile
from nodes.diffusion.models.load import Placement
from nodes.diffusion.values import ControlUse

FACTORS = {
    64: (1, 8),
    192: (3, 8),
    256: (1, 16),
    768: (3, 16),
}  # channels after unshuffling: of it, and its factor
XL_FACTOR = 16
LIGHT, FULL, XL = "light_adapter", "full_adapter", "full_adapter_xl"
VARIANT = "It is a variant that Weft does not know, or it is cut short."


@dataclass(frozen=True, slots=True, eq=False)
class LoadedAdapter:
    """A T2I adapter, as `ControlFile` and `ControlNetwork`.

    Attributes:
        module: a `T2IAdapter` of diffusers.
    """

    module: nn.Module
    device: torch.device
    dtype: torch.dtype

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`."""
        config, widths = cast("Any", self.module).config, [0]
        wide, attended = config.adapter_type == XL, [False]
        if company.network.family.folder == "unet":
            theirs = cast("Any", company.network.module).config
            widths = list(theirs.block_out_channels)
            attended = [name.startswith("CrossAttn") for name in theirs.down_block_types]
        made = list(config.channels) + (config.channels[-1:] if config.adapter_type == LIGHT else [])
        steps = (
            attended[1:] if wide else attended[:-1]
        )  # levels whose features have the size of what is added
        if widths != (made[:-1] if wide else made) or not all(steps) or attended[0] == wide:
            raise company.refuse(SDXL if wide else f"{SD1} or 2")
        return self

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: the picture at the picture's size, gray where the adapter reads one channel."""
        config = cast("Any", self.module).config
        step = config.downscale_factor
        tall, wide = (-(-side * form.pixels // step) * step for side in (height, width))
        shown = fitted_hint(use.hint, wide, tall)
        return shown.mean(dim=1, keepdim=True) if config.in_channels == 1 else shown

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,  # noqa: ARG002 - it adds the same at every step
        context: Tensor,  # noqa: ARG002
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,  # noqa: ARG002
    ) -> Residuals:
        """As `ControlNetwork`."""
        features = cast("list[Tensor]", self.module(hint.to(self.device, self.dtype)))
        return Residuals(levels=[part.to(latents) for part in features])


def load_adapter(
    source: WeightFile, prefix: str, placement: Placement, said: Mapping[str, Any] | None = None
) -> LoadedAdapter:
    """The adapter of a file.

    Args:
        prefix: of its tensors' names.
        said: the settings of a diffusers folder; None: they are told from the tensors.

    Raises:
        CheckpointUnreadable: tensors are missing or of odd shapes.
    """
    from diffusers.models.adapter import T2IAdapter

    names = list(_names(source, prefix))
    shapes = {ours.removeprefix("adapter."): source.shapes[theirs] for theirs, ours in names}
    if said is None:
        try:
            settings = _settings(shapes)
        except (KeyError, StopIteration) as error:
            raise CheckpointUnreadable(source.path, f"it lacks the tensor {error}", VARIANT) from error
    else:
        settings = known_settings(T2IAdapter, said, source.path)
    module = unfilled(lambda: T2IAdapter(**settings), source.path)
    fill(module, source, names, placement.device, placement.dtype)
    return LoadedAdapter(module, placement.device, placement.dtype)


def _names(source: WeightFile, prefix: str) -> Iterator[tuple[str, str]]:
    """Of each tensor its name in the file and in the network."""
    names = source.under(prefix)
    blocks = [name for name in names if re.fullmatch(r"body\.\d+\.block1\.weight", name)]
    each = _each(names, len(blocks))
    for name in names:
        parts = name.split(".")
        if parts[0] == "body" and len(parts) > 3 and parts[2] == "body":
            parts[2] = "resnets"
        elif parts[0] == "body" and blocks:
            level, within = divmod(int(parts[1]), each)
            inner = [] if parts[2] == "in_conv" else ["resnets", str(within)]
            parts = ["body", str(level), *inner, *parts[2:]]
        yield prefix + name, "adapter." + ".".join(parts)


def _each(names: Mapping[str, Shape], count: int) -> int:
    """Blocks of a level: up to the first that changes channels."""
    found = (number for number in range(1, count) if f"body.{number}.in_conv.weight" in names)
    return next(found, count)


def _settings(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    count = 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("body."))
    light = "conv_in.weight" not in shapes
    entry = shapes["body.0.in_conv.weight" if light else "conv_in.weight"][1]
    channels, factor = FACTORS[entry]
    wide = factor == XL_FACTOR and not light
    last = "out_conv.weight" if light else "resnets.0.block2.weight"
    widths = [shapes[f"body.{number}.{last}"][0] for number in range(count)]
    blocks = {name.split(".")[3] for name in shapes if name.startswith("body.0.resnets.")}
    return {
        "in_channels": channels,
        "channels": widths[:-1] if light else widths,
        "num_res_blocks": len(blocks),
        "downscale_factor": factor,
        "adapter_type": LIGHT if light else XL if wide else FULL,
    }
