"""The network inside a model, as packs hold it: `model.model.diffusion_model`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Diffusion:
    """A denoising network: it is called with scaled latents and timesteps, and its weights are named as files name them."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        y: Tensor | None = None,
        control: Any = None,
        transformer_options: Mapping[str, Any] | None = None,
        **_more: Any,
    ) -> Tensor:
        """What the network predicts."""
        options = dict(transformer_options or {})
        if y is not None:
            options["y"] = y
        patched = self._model.current_patcher.object_patches.get("diffusion_model.forward")
        if patched is not None and not options.get("weft_within"):
            options["weft_within"] = True
            return patched(x, timesteps, context, y=y, control=control, transformer_options=options)
        return self._model.predict(x, timesteps, context, control, options)

    def __call__(self, *args: Any, **more: Any) -> Tensor:
        """As `forward`."""
        return self.forward(*args, **more)

    def state_dict(self) -> dict[str, Tensor]:
        """The weights by the names of the original layout, each as the network has it."""
        loaded = self._model.loaded()
        own = loaded.module.state_dict()
        named = {place.ours: place.theirs for place in loaded.published if place.rows is None}
        return {named.get(name, name): tensor for name, tensor in own.items()}

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self._model.loaded().dtype

    def modules(self) -> Any:
        """The parts of the network, of diffusers' classes."""
        return self._model.loaded().module.modules()

    def named_modules(self) -> Any:
        """The parts of the network with diffusers' names."""
        return self._model.loaded().module.named_modules()

    def parameters(self) -> Any:
        """The weights."""
        return self._model.loaded().module.parameters()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"Weft's network has no {name!r}: its parts are those of diffusers, which packs cannot change here yet.",
            name=name,
            obj=self,
        )
