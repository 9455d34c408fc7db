"""ControlNet-XS: a small network that works along with a U-Net, block by block, each telling the other what it has.

Source: Zavadski et al. 2023 (ControlNet-XS, arXiv:2312.06573), section 3, as diffusers keeps it: `ControlNetXSAdapter`.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import NO_INPUTS, ControlNetwork, NetworkInputs, Residuals
from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.hints import fitted_hint
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.build import fill, known_settings, unfilled
from nodes.diffusion.models.controls.company import SD1, SD2, SDXL, Company
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.load import Placement
from nodes.diffusion.values import ControlUse

NAME = "ControlNetXSAdapter"
MIXING = 0.3  # exponent with which diffusers mixes what is said of the time


@dataclass(slots=True, eq=False)
class _Walk:
    """Where both networks stand in one call: the last states, what is said of the time, the small one's skips."""

    base: Tensor
    own: Tensor
    skips: list[Tensor] = field(default_factory=list[Tensor])
    time: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class XsInside:
    """It at work inside a U-Net; as `Inside`.

    Attributes:
        latents, context, hint: what the call is asked of, for each of its items; the hint as the adapter has read it.
    """

    adapter: Any
    latents: Tensor
    context: Tensor
    hint: Tensor
    strength: float = 1.0

    def scaled(self, strength: float) -> "XsInside":
        """As `Inside`."""
        return replace(self, strength=self.strength * strength)

    def of_rows(self, rows: Tensor) -> "XsInside":
        """As `Inside`."""
        return replace(self, latents=self.latents[rows], context=self.context[rows], hint=self.hint[rows])

    @contextmanager
    def put_on(self, module: nn.Module) -> Generator[None]:
        """As `Inside`."""
        net, entered = cast("Any", module), self.latents
        walk = _Walk(entered, entered)
        with ExitStack() as stack:
            if self.adapter.time_embedding is not None:
                stack.callback(net.time_embedding.register_forward_hook(self._timed).remove)
            stack.callback(net.conv_in.register_forward_hook(self._begun(walk)).remove)
            first = net.down_blocks[0].resnets[0]
            stack.callback(first.register_forward_pre_hook(_told(walk)).remove)
            for last, step, tell, said in self._steps(net):
                skips = last is not net.mid_block
                hook = self._behind(walk, step, tell, said, skips=skips)
                stack.callback(last.register_forward_hook(hook).remove)
            for block, part in zip(net.up_blocks, self.adapter.up_connections, strict=True):
                for resnet, said in zip(block.resnets, part.ctrl_to_base, strict=True):
                    stack.callback(resnet.register_forward_pre_hook(self._joined(walk, said)).remove)
            yield

    def _timed(self, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """What is said of the time: the small network's own, mixed with the U-Net's."""
        share = self.adapter.config.time_embedding_mix**MIXING
        return self.adapter.time_embedding(inputs[0]) * share + output * (1.0 - share)

    def _begun(self, walk: _Walk) -> Callable[..., Tensor]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            walk.own = self.adapter.conv_in(self.latents) + self.hint
            walk.base = output + self.adapter.control_to_base_for_conv_in(walk.own) * self.strength
            walk.skips = [walk.own]
            return walk.base

        return hook

    def _behind(
        self,
        walk: _Walk,
        step: Callable[[Tensor, _Walk], Tensor],
        tell: nn.Module,
        said: nn.Module,
        *,
        skips: bool,
    ) -> Callable[..., Any]:
        """Behind a block: the small network takes its step from what both had, and adds to what the block gave."""

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            hidden = cast("Tensor", output[0] if isinstance(output, tuple) else output)
            walk.own = step(torch.cat((walk.own, tell(walk.base)), 1), walk)
            walk.base = hidden + said(walk.own) * self.strength
            if skips:
                walk.skips.append(walk.own)
            return (walk.base,) if isinstance(output, tuple) else walk.base

        return hook

    def _joined(self, walk: _Walk, said: Any) -> Callable[..., tuple[Any, ...]]:
        """Before a block of the way up: the small network's skip is added to what comes from below."""

        def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            joined, width = inputs[0], said.out_channels
            below = joined[:, :width] + said(walk.skips.pop()) * self.strength
            return (torch.cat((below, joined[:, width:]), 1), *inputs[1:])

        return hook

    def _steps(self, net: Any) -> Iterator[tuple[nn.Module, Callable[..., Tensor], nn.Module, nn.Module]]:
        """Each block of the way down and the middle: its last part, the small network's step, what each tells the other."""
        for block, part in zip(net.down_blocks, self.adapter.down_blocks, strict=True):
            own = part.attentions
            for number, resnet in enumerate(block.resnets):
                attended = getattr(block, "attentions", None)
                last = resnet if attended is None else attended[number]
                step = self._layer(part.resnets[number], None if own is None else own[number])
                yield last, step, part.base_to_ctrl[number], part.ctrl_to_base[number]
            if block.downsamplers:
                step = self._smaller(part.downsamplers)
                yield block.downsamplers[0], step, part.base_to_ctrl[-1], part.ctrl_to_base[-1]
        middle = self.adapter.mid_block

        def through(own: Tensor, walk: _Walk) -> Tensor:
            return middle.midblock(own, walk.time, encoder_hidden_states=self.context)

        yield net.mid_block, through, middle.base_to_ctrl, middle.ctrl_to_base

    def _smaller(self, sampler: Any) -> Callable[[Tensor, _Walk], Tensor]:
        def step(own: Tensor, _walk: _Walk) -> Tensor:
            return sampler(own)

        return step

    def _layer(self, resnet: Any, attention: Any) -> Callable[..., Tensor]:
        def step(own: Tensor, walk: _Walk) -> Tensor:
            made = resnet(own, walk.time)
            if attention is None:
                return made
            return attention(made, encoder_hidden_states=self.context, return_dict=False)[0]

        return step


def _told(walk: _Walk) -> Callable[..., None]:
    def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        walk.time = inputs[1]

    return hook


@dataclass(frozen=True, slots=True, eq=False)
class XsControl:
    """A ControlNet-XS, as `ControlFile` and `ControlNetwork`."""

    module: nn.Module
    device: torch.device
    dtype: torch.dtype

    def beside(self, company: Company) -> ControlNetwork:
        """As `ControlFile`."""
        config, theirs = cast("Any", self.module).config, cast("Any", company.network.module).config
        same = (
            company.network.family.folder == "unet"
            and list(config.base_block_out_channels) == list(theirs.block_out_channels)
            and config.cross_attention_dim == theirs.cross_attention_dim
            and list(config.down_block_types) == list(theirs.down_block_types)
        )
        if not same:
            few = len(config.base_block_out_channels) == 3
            raise company.refuse(SDXL if few else SD2 if config.use_linear_projection else SD1)
        return self

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: the picture at the picture's size, Float[batch 3 height width] in 0..1."""
        return fitted_hint(use.hint, width * form.pixels, height * form.pixels)

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,  # noqa: ARG002 - the U-Net says it
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,  # noqa: ARG002
    ) -> Residuals:
        """As `ControlNetwork`."""
        adapter = cast("Any", self.module)
        entered, text, shown = (part.to(self.device, self.dtype) for part in (latents, context, hint))
        if adapter.config.conditioning_channel_order == "bgr":
            shown = shown.flip(1)
        read = adapter.controlnet_cond_embedding(shown)
        return Residuals(inside=(XsInside(adapter, entered, text, read),))


def load_xs(source: WeightFile, placement: Placement, said: Mapping[str, Any] | None) -> XsControl:
    """The ControlNet-XS of a file.

    Args:
        said: its settings, as diffusers keeps them beside it; tensors do not tell heads and mixing.

    Raises:
        CheckpointUnreadable: there are no settings, or tensors are missing.
    """
    from diffusers.models.controlnets.controlnet_xs import ControlNetXSAdapter

    if said is None or said.get("_class_name") != NAME:
        what = "it is a ControlNet-XS, whose tensors do not say how it was built"
        hint = "Put the config.json that was published with it into the same folder."
        raise CheckpointUnreadable(source.path, what, hint)
    settings = known_settings(ControlNetXSAdapter, said, source.path)
    module = unfilled(lambda: ControlNetXSAdapter(**settings), source.path)
    fill(module, source, [(name, name) for name in source.shapes], placement.device, placement.dtype)
    return XsControl(module, placement.device, placement.dtype)
