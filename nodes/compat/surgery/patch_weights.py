"""A patcher's weights: changed by what packs say, and read with what is on them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nodes.compat.surgery import own_modules
from nodes.compat.surgery.weights import calculated, patch_of


class Weights:
    """The part of a patcher that changes weights, through the patches of its recipe."""

    recipe: Any
    module: Any = None  # a pack's own that is wrapped
    patches: dict[Any, Any]
    patches_uuid: object

    def model_state_dict(self, filter_prefix: str | None = None) -> dict[str, Tensor]:
        """Its weights by name; each patcher has its own."""
        raise NotImplementedError

    def add_patches(
        self, patches: Mapping[Any, Any], strength_patch: float = 1.0, strength_model: float = 1.0
    ) -> list[Any]:
        """Change weights by name; the names that the model has come back.

        Raises:
            NotImplementedError: a change that Weft cannot put on its weights.
        """
        names = self.model_state_dict()
        taken = {name: value for name, value in patches.items() if _name(name) in names}
        for name, value in taken.items():
            entry = (strength_patch, value, strength_model, *_part(name))
            self.patches[_name(name)] = [*self.patches.get(_name(name), []), entry]
        if taken and self.module is not None:  # they are put on where it is loaded
            self.patches_uuid = object()
        elif taken:
            self._put_on(taken, strength_patch, strength_model, names)
            self.patches_uuid = object()
        return list(taken)

    def _put_on(
        self, taken: Mapping[Any, Any], strength: float, own: float, names: Mapping[str, Tensor]
    ) -> None:
        plain = own == 1.0 and all(isinstance(name, str) for name in taken)
        if plain and not any(isinstance(value, list) for value in taken.values()):
            self.recipe = self.recipe.patched(patch_of(taken, strength))
            return
        # parts of weights, what is left of a weight itself, and weights of another model: as differences of whole ones
        before = {_name(name): names[_name(name)].float() for name in taken}
        after = dict(before)
        for name, value in taken.items():
            patch = (strength, value, own, *_part(name))
            after[_name(name)] = calculated([patch], after[_name(name)], torch.float32)
        changes = {name: ("diff", (after[name] - weight,)) for name, weight in before.items()}
        self.recipe = self.recipe.patched(patch_of(changes, 1.0))

    def get_key_patches(self, filter_prefix: str | None = None) -> dict[str, Any]:
        """{name: [(weight, what makes it whole)]}, which can be put on another model; its patches are on the weight."""
        if self.module is not None:
            weights = own_modules.weights_of(self).items()
            return {
                name: [(weight, _same), *self.patches.get(name, [])]
                for name, weight in weights
                if name.startswith(filter_prefix or "")
            }
        return {name: [(weight, _same)] for name, weight in self.model_state_dict(filter_prefix).items()}

    def calculate_weight(
        self, patches: Any, weight: Tensor, key: str, intermediate_dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """A weight with changes on it."""
        del key
        return calculated(patches, weight, intermediate_dtype).to(weight.dtype)

    def patch_weight_to_device(
        self, key: str, device_to: Any = None, *, return_weight: bool = False, **_more: Any
    ) -> Any:
        """Put a weight's changes on a pack's own module, or give the weight with them. Of a recipe the pool does it."""
        del device_to
        if self.module is not None and not return_weight:
            return own_modules.put_weight(self, key)
        return (
            self.calculate_weight(self.patches.get(key, []), self.model_state_dict()[key], key)
            if return_weight
            else None
        )


def _name(name: Any) -> str:
    return name[0] if isinstance(name, tuple) else name


def _part(name: Any) -> tuple[Any, Any]:
    """The part of a weight that is changed, (axis, start, length) or None, and a function of what is added, or None."""
    return (name[1], name[2] if len(name) > 2 else None) if isinstance(name, tuple) else (None, None)


def _same(weight: Tensor) -> Tensor:
    return weight
