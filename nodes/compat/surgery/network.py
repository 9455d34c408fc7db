"""The network inside a model, as packs hold it: `model.model.diffusion_model`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nodes.compat.standing import refuse
from nodes.compat.unets.seen import is_unet, seen
from nodes.compat.unets.unet import UNetModel

OWN = frozenset({"_model", "_unet"})
# Parts of transformers by the field's names, as diffusers call them.
CALLED = {
    "double_blocks": "transformer_blocks",
    "joint_blocks": "transformer_blocks",
    "single_blocks": "single_transformer_blocks",
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "final_layer": "proj_out",
    "t_embedder": "time_text_embed",
}


class Diffusion:
    """A denoising network: it is called with scaled latents and timesteps, and its weights are named as files name them."""

    def __init__(self, model: Any, *, unet: bool = False) -> None:
        self._model, self._unet = model, unet

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

    @property
    def __class__(self) -> type:
        """What packs take it for when they ask: a U-Net's class, where it is one."""
        return UNetModel if self._unet else type(self)

    def parts(self) -> Any:
        """The network's tree: a U-Net's in the field's form, another's as diffusers have it."""
        loaded = self._model.loaded()
        return seen(loaded).net if is_unet(loaded) else loaded.module

    def modules(self) -> Any:
        """The parts of the network."""
        return self.parts().modules()

    def named_modules(self) -> Any:
        """The parts of the network with their names."""
        return self.parts().named_modules()

    def parameters(self) -> Any:
        """The weights."""
        return self._model.loaded().module.parameters()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        parts = self.parts()
        for each in (name, CALLED.get(name, name)):
            if hasattr(parts, each):
                return getattr(parts, each)
        raise AttributeError(
            f"Weft's network has no {name!r}: its parts are those of diffusers' {type(parts).__name__}.",
            name=name,
            obj=self,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in OWN:
            object.__setattr__(self, name, value)
        elif is_unet(self._model.loaded()):
            setattr(self.parts(), name, value)
        else:
            refuse(f"a part of its own in the place of the network's {name!r}", value)
