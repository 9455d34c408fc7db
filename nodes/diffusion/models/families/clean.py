"""Pictures to refer to that a network takes for clean ones: their tokens are modulated as at timestep 0.

What modulates tokens (scales, shifts and gates made of the timestep) is the same for all of them in diffusers' classes. Here
it is given to each token for itself, by hooks around the parts of blocks: text and the picture in the making keep theirs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

Hook = Callable[..., Any]


@dataclass(slots=True, eq=False)
class Clean:
    """A call of a network whose last tokens are clean.

    Attributes:
        kept: how many tokens before these there are, those of text counted.
        now, clean: what the network makes of the timestep, and of timestep 0, Float[batch feature].
        gates: how much each token of a part gets of what is reckoned for it, until it is used.
    """

    kept: int
    now: Tensor | None = None
    clean: Tensor | None = None
    gates: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def for_tokens(self, modulate: Callable[[Tensor], Tensor], count: int, text: int = 0) -> Tensor:
        """What modulates each of a picture's tokens, Float[batch count feature].

        Args:
            modulate: makes it of what the network made of a timestep.
            count: how many tokens there are. text: how many of text are not among them.
        """
        assert self.now is not None
        assert self.clean is not None
        now, clean = modulate(self.now)[:, None], modulate(self.clean)[:, None]
        kept = self.kept - text
        return torch.cat((now.expand(-1, kept, -1), clean.expand(-1, count - kept, -1)), 1)


def take_for_clean(module: nn.Module, kept: int, text: int, stack: ExitStack) -> None:
    """A `FluxTransformer2DModel` for one call, until the stack is left.

    Args:
        kept: how many tokens come before those of pictures to refer to, the text's counted. text: those of text.
    """
    net, call = cast("Any", module), Clean(kept)
    _watch(net.time_text_embed, call, stack)
    for block in net.transformer_blocks:
        for part, hook in _double(call, text):
            stack.callback(getattr(block, part).register_forward_hook(hook, with_kwargs=True).remove)
    for block in net.single_transformer_blocks:
        for part, hook in _single(call):
            stack.callback(getattr(block, part).register_forward_hook(hook, with_kwargs=True).remove)


def take_shared_for_clean(module: nn.Module, kept: int, count: int, text: int, stack: ExitStack) -> None:
    """A `Flux2Transformer2DModel`, whose blocks share what modulates them, for one call, until the stack is left.

    Args:
        kept: as of `take_for_clean`. count: of all tokens. text: those of text.
    """
    net, call = cast("Any", module), Clean(kept)
    _watch(net.time_guidance_embed, call, stack)
    for part, spared in ((net.double_stream_modulation_img, text), (net.single_stream_modulation, 0)):

        def each(made: nn.Module, _inputs: Any, _output: Tensor, spared: int = spared) -> Tensor:
            forward = cast("Callable[[Tensor], Tensor]", made.forward)
            return call.for_tokens(forward, count - spared, spared)

        stack.callback(part.register_forward_hook(each).remove)


def _watch(embed: nn.Module, call: Clean, stack: ExitStack) -> None:
    """Note what the network makes of its timestep, and have it make the same of 0."""

    def note(made: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        call.now, call.clean = output, made.forward(torch.zeros_like(inputs[0]), *inputs[1:])

    stack.callback(embed.register_forward_hook(note).remove)


def _double(call: Clean, text: int) -> Iterator[tuple[str, Hook]]:
    """Hooks on a block of two streams: its picture's parts modulate nothing, what does comes from here."""

    def first(norm: Any, inputs: tuple[Any, ...], _kwargs: Any, output: tuple[Tensor, ...]) -> Any:
        tokens, gate = cast("Tensor", inputs[0]), output[1]
        every = call.for_tokens(lambda made: norm.linear(norm.silu(made)), tokens.shape[1], text)
        shift, scale, *rest = every.chunk(6, -1)
        call.gates = dict(zip(("attn", "shift", "scale", "ff"), rest, strict=True))
        none, whole = torch.zeros_like(gate), torch.ones_like(gate)
        return norm.norm(tokens) * (1 + scale) + shift, whole, none, none, whole

    def attended(_attn: Any, _inputs: Any, _kwargs: Any, output: Sequence[Tensor]) -> Any:
        return call.gates["attn"] * output[0], *output[1:]

    def second(_norm: Any, _inputs: Any, _kwargs: Any, output: Tensor) -> Tensor:
        return output * (1 + call.gates["scale"]) + call.gates["shift"]

    def last(_ff: Any, _inputs: Any, _kwargs: Any, output: Tensor) -> Tensor:
        return call.gates["ff"] * output

    yield from (("norm1", first), ("attn", attended), ("norm2", second), ("ff", last))


def _single(call: Clean) -> Iterator[tuple[str, Hook]]:
    """Hooks on a block of one stream."""

    def first(norm: Any, inputs: tuple[Any, ...], _kwargs: Any, output: tuple[Tensor, Tensor]) -> Any:
        tokens = cast("Tensor", inputs[0])
        every = call.for_tokens(lambda made: norm.linear(norm.silu(made)), tokens.shape[1])
        shift, scale, gate = every.chunk(3, -1)
        call.gates = {"out": gate}
        return norm.norm(tokens) * (1 + scale) + shift, torch.ones_like(output[1])

    def last(_out: Any, _inputs: Any, _kwargs: Any, output: Tensor) -> Tensor:
        return call.gates["out"] * output

    yield from (("norm", first), ("proj_out", last))
