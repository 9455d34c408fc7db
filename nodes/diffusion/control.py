"""Control networks: what a picture of edges, depth or poses adds inside a U-Net (Zhang et al. 2023, arXiv:2302.05543)."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Residuals
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.hints import fitted_hint
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.sizes import sizes_told
from nodes.diffusion.values import ControlUse


@dataclass(frozen=True, slots=True, eq=False)
class LoadedControl:
    """A control network, as `ControlNetwork`. Strength and range are the caller's.

    Attributes:
        module: a `ControlNetModel` of diffusers, or a `ControlNetUnionModel`, which was trained on several kinds of hints.
        pools: residuals are averaged over the picture, so that they carry its content and not its places.
        kind: which of the kinds of a union the hint is; None: it is left to guess.
    """

    module: nn.Module
    device: torch.device
    dtype: torch.dtype
    pools: bool = False
    kind: int | None = None

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: the picture at the picture's size, Float[batch 3 height width] in 0..1."""
        return fitted_hint(use.hint, width * form.pixels, height * form.pixels)

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,
    ) -> Residuals:
        """Residuals for these latents; `hint` is Float[batch 3 height width] in 0..1, at the picture's size.

        Raises:
            DiffusionError: it was trained on fewer kinds of hints than `kind`.
        """
        net = cast("Any", self.module)
        entered, text, shown = (part.to(self.device, self.dtype) for part in (latents, context, hint))
        told = sizes_told(net.config, inputs, entered)
        more = None if told is None else {name: part.to(self.device) for name, part in told.items()}
        time = timestep.to(self.device)
        if not hasattr(net, "task_embedding"):
            down, middle = net(
                entered,
                time,
                encoder_hidden_states=text,
                controlnet_cond=shown,
                added_cond_kwargs=more,
                return_dict=False,
            )
        else:
            kinds, types = self._kinds(len(latents))
            with _plain(net, shown if self.kind is None else None):
                down, middle = net(
                    entered,
                    time,
                    encoder_hidden_states=text,
                    controlnet_cond=[shown],
                    control_type=types,
                    control_type_idx=kinds,
                    added_cond_kwargs=more,
                    return_dict=False,
                )
        parts = [cast("Tensor", part).to(latents) for part in (*down, middle)]
        if self.pools:
            parts = [part.mean(dim=(2, 3), keepdim=True) for part in parts]
        return Residuals(parts[:-1], parts[-1])

    def _kinds(self, batch: int) -> tuple[list[int], Tensor]:
        """The kind of hint as a union is told it: by number, and as ones and zeros for each of its kinds."""
        count = len(cast("Any", self.module).task_embedding)
        types = torch.zeros(batch, count, device=self.device, dtype=self.dtype)
        if self.kind is None:
            return [], types
        if self.kind >= count:
            raise DiffusionError(
                f"The control network knows {count} kinds of hints; this is number {self.kind + 1}.",
                "Choose another type in SetUnionControlNetType, or the net's newer version.",
            )
        types[:, self.kind] = 1.0
        return [self.kind], types


@contextmanager
def _plain(net: Any, hint: Tensor | None) -> Generator[None]:
    """While this lasts, a union takes a hint of no said kind as a plain control network does."""
    if hint is None:
        yield
        return

    def add(_module: nn.Module, _inputs: tuple[Any, ...], hidden: Tensor) -> Tensor:
        return hidden + cast("Tensor", net.controlnet_cond_embedding(hint))

    handle = net.conv_in.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
