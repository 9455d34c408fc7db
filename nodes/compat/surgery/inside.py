"""Packs' patches inside a U-Net, as changes of ours, called with tensors and options as HOST_API.md says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from nodes.compat.unets.transformers import ways
from nodes.diffusion.changes import Attend, Attention, Joint, NetworkChanges, Place, Positions
from nodes.diffusion.models.changing import attentions

HIDDEN = frozenset({"patches", "patches_replace"})
OF_UNETS = (
    "attn1_patch attn2_patch attn1_output_patch attn2_output_patch middle_patch input_block_patch "
    "input_block_patch_after_skip output_block_patch middle_block_after_patch emb_patch"
).split()


@dataclass(slots=True, eq=False)
class UnetPatches:
    """Patches at work during one call of a U-Net.

    Attributes:
        options: `transformer_options` of the call; `block` and its like are written into it on the way.
        latents: what the network is given; `emb`: its time embedding once it is computed.
    """

    options: dict[str, Any]
    module: nn.Module
    latents: Tensor
    timesteps: Tensor
    context: Tensor
    emb: Tensor | None = None
    _numbers: dict[Place, int] = field(default_factory=dict[Place, int])

    def changes(self) -> NetworkChanges:
        """What the patches come to."""
        patches, replaced = self.options.get("patches") or {}, self.options.get("patches_replace") or {}
        self.options["original_shape"] = list(self.latents.shape)
        attends = any(
            patches.get(f"attn{one}_{kind}") for one in (1, 2) for kind in ("patch", "output_patch")
        )
        attends = attends or bool(replaced.get("attn1") or replaced.get("attn2"))
        found = {name: patches.get(name) for name in OF_UNETS}
        return NetworkChanges(
            attention=(self._attention,) if attends else (),
            between=(self._between,) if found["middle_patch"] else (),
            before_skip=(self._input("input_block_patch"),) if found["input_block_patch"] else (),
            after_skip=(
                (self._input("input_block_patch_after_skip"),)
                if found["input_block_patch_after_skip"]
                else ()
            ),
            skips=(self._output,) if found["output_block_patch"] else (),
            middle=(self._middle,) if found["middle_block_after_patch"] else (),
        )

    def hear(self, _module: nn.Module, _inputs: tuple[Any, ...], emb: Tensor) -> Tensor:
        """A hook on the time embedding: notes it, and lets patches change it."""
        for patch in self._of("emb_patch"):
            emb = patch(emb, emb.shape[-1] // 4, self.options)
        self.emb = emb
        return emb

    def _of(self, name: str) -> Sequence[Callable[..., Any]]:
        return (self.options.get("patches") or {}).get(name) or ()

    def _input(self, name: str) -> Callable[[int, Tensor], Tensor]:
        def change(number: int, hidden: Tensor) -> Tensor:
            self.options["block"] = ("input", number)
            for patch in self._of(name):
                hidden = patch(hidden, self.options)
            return hidden

        return change

    def _output(self, joint: Joint, hidden: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        self.options["block"] = ("output", joint.number)
        for patch in self._of("output_block_patch"):
            hidden, skip = patch(hidden, skip, self.options)
        return hidden, skip

    def _middle(self, _number: int, hidden: Tensor) -> Tensor:
        self.options["block"] = ("middle", 0)
        for patch in self._of("middle_block_after_patch"):
            told = {
                "h": hidden,
                "x": self.latents,
                "emb": self.emb,
                "context": self.context,
                "y": self.options.get("y"),
                "timesteps": self.timesteps,
                "transformer_options": self.options,
            }
            hidden = patch(told)["h"]
        return hidden

    def _between(self, place: Place, hidden: Tensor) -> Tensor:
        for patch in self._of("middle_patch"):
            hidden = patch(hidden, self._extra(place, hidden.shape[1]))
        return hidden

    def _attention(self, attention: Attention, attend: Attend) -> Tensor:
        name = "attn2" if attention.place.cross else "attn1"
        extra = self._extra(attention.place, attention.queries.shape[1], attention)
        tokens = attention.queries, attention.keys, attention.values
        for patch in self._of(f"{name}_patch"):
            tokens = patch(*tokens, extra)
        attention = attention.on(*tokens)
        instead = self._instead(name, attention.place)
        made = attend(attention) if instead is None else attention.out(instead(*attention.projected(), extra))
        for patch in self._of(f"{name}_output_patch"):
            made = patch(made, extra)
        return made

    def _instead(self, name: str, place: Place) -> Callable[..., Tensor] | None:
        """What takes an attention's place: named with its number among those of the block, or for all of them."""
        table: Mapping[Any, Any] = (self.options.get("patches_replace") or {}).get(name) or {}
        exact = (place.way.value, place.number, place.index)
        return table.get(exact) or table.get(exact[:2])

    def _extra(self, place: Place, count: int, attention: Attention | None = None) -> dict[str, Any]:
        """The options as attention patches get them."""
        if not self._numbers:
            own = [each for each, _ in attentions(self.module) if not each.cross and each.index == 0]
            self._numbers = {each: number for number, each in enumerate(own)}
        same = Place(place.way, place.number, place.index, cross=False)
        height, width = _grid(count, *self.latents.shape[-2:])
        told: dict[str, Any] = {
            "block": (place.way.value, place.number),
            "block_index": place.index,
            "transformer_index": self._numbers[replace(same, index=0)],
            "activations_shape": [len(self.latents), 0, height, width],
        }
        self.options.update(told)
        extra = {name: value for name, value in self.options.items() if name not in HIDDEN}
        if attention is not None:
            queries = attention.queries
            extra["activations_shape"] = [len(queries), queries.shape[-1], height, width]
            extra |= {"n_heads": attention.heads, "dim_head": _width(attention), "attn_precision": None}
        else:
            block = next(each for at, each in attentions(self.module) if at == same)
            extra |= {"n_heads": block.heads, "dim_head": block.inner_dim // block.heads}
            extra["attn_precision"] = None
        return extra


def _width(attention: Attention) -> int:
    module: Any = getattr(attention, "module")  # noqa: B009 - not of the protocol, read for what packs are told
    return module.inner_dim // module.heads


def _grid(count: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of so many tokens: the latents' own, halved as often as it takes."""
    for halvings in range(8):
        rows, columns = -(-height // 2**halvings), -(-width // 2**halvings)
        if rows * columns == count:
            return rows, columns
    return count, 1


def positions_of(options: Mapping[str, Any]) -> Positions | None:
    """Where a rotary embedding shall see the places, if options say so."""
    said = options.get("rope_options")
    names = {"scale_x", "shift_x", "scale_y", "shift_y", "scale_t", "shift_t"}
    return (
        Positions(**{name: float(value) for name, value in said.items() if name in names}) if said else None
    )


class Overridden(torch.overrides.TorchFunctionMode):
    """Attention by a pack's function, wherever a network mixes values.

    Args:
        function: called as `optimized_attention_override` is: with the host's own way first.
    """

    def __init__(self, function: Callable[..., Tensor], options: dict[str, Any]) -> None:
        super().__init__()
        self._function, self._options = function, options

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, key, value = args[:3]
        more = dict(kwargs or {})
        mask = args[3] if len(args) > 3 else more.get("attn_mask")
        return self._function(
            ways().attention_pytorch.__wrapped__,
            query,
            key,
            value,
            query.shape[1],
            mask=mask,
            attn_precision=None,
            skip_reshape=True,
            skip_output_reshape=True,
            transformer_options=self._options,
        )
