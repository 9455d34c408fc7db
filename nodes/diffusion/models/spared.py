"""Blocks of a diffusion transformer that are spared: what they added last time is added again.

The blocks of each list (those of two streams, then those of one) are spared as a whole: what they add to each of their
streams is one tensor, whatever happens to the streams between the lists.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, cast

from torch import Tensor, nn

from nodes.diffusion.changes import BlockSparing
from nodes.diffusion.models.family import Order, Stack, Stacks


def put_on(module: nn.Module, forward: Callable[..., Any], stack: ExitStack) -> None:
    """Another `forward` until the stack is left; the one before comes back, its class's own or another change's."""
    attributes = module.__dict__
    before = attributes.get("forward")
    attributes["forward"] = forward

    def back() -> None:
        if before is None:
            attributes.pop("forward")
        else:
            attributes["forward"] = before

    stack.callback(back)


def spare(module: nn.Module, stacks: Stacks, sparing: BlockSparing, stack: ExitStack) -> None:
    """Let a network's blocks be spared in its next call as `sparing` says, until the stack is left."""
    rows = [
        row for row in (stacks.double, stacks.single) if row is not None and len(getattr(module, row.name))
    ]
    call, order = _Call(sparing, len(rows)), stacks.order
    for number, row in enumerate(rows):
        blocks = list(getattr(module, row.name))
        for place, block in enumerate(blocks):
            part = _Block(call, row, number, place, len(blocks), block.forward, _names(block), order)
            put_on(block, part, stack)


def _names(block: nn.Module) -> Sequence[str]:
    """What a block's `forward` calls its arguments."""
    return tuple(signature(type(block).forward).parameters)[1:]


@dataclass(slots=True, eq=False)
class _Call:
    """One call of the network.

    Attributes:
        lists: how many lists of blocks it has.
        spares: whether blocks are spared; None: it is not said yet.
        entered: what went into the blocks of a list that may be spared, by list and stream.
        added: what all of them added to the picture.
    """

    sparing: BlockSparing
    lists: int
    spares: bool | None = None
    entered: dict[tuple[int, str], Tensor] = field(default_factory=dict[tuple[int, str], Tensor])
    added: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """A block's `forward`.

    Attributes:
        number: of its list. place: in the list. count: of the list's blocks.
        names: of its arguments.
    """

    call: _Call
    row: Stack
    number: int
    place: int
    count: int
    before: Callable[..., Any]
    names: Sequence[str]
    order: Order

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given: Mapping[str, Any] = dict(zip(self.names, args, strict=False)) | kwargs
        streams: Mapping[str, Any] = {name: given.get(name) for name in self.row.gives}
        sparing = self.call.sparing
        first = self.number == 0 and self.place == 0
        if first and sparing.after_first:
            made = self.before(*args, **kwargs)
            self.call.spares = sparing.spares(self._streams(made)[self._picture] - streams[self._picture])
            return made
        if first:
            self.call.spares = sparing.spares(streams[self._picture])
        if self.place == (1 if self.number == 0 and sparing.after_first else 0):
            entered = {(self.number, name): stream for name, stream in streams.items() if stream is not None}
            self.call.entered |= entered
        if self.call.spares:
            return self._spared(streams)
        made = self.before(*args, **kwargs)
        if self.place == self.count - 1:
            self._learn(self._streams(made))
        return made

    @property
    def _picture(self) -> str:
        """The stream with the picture's tokens, alone or beside the text's."""
        return "hidden_states" if "hidden_states" in self.row.gives else self.row.gives[0]

    def _streams(self, made: Any) -> Mapping[str, Any]:
        parts = cast("tuple[Any, ...]", made) if isinstance(made, tuple) else (made,)
        return dict(zip(self.row.gives, parts, strict=False))

    def _spared(self, streams: Mapping[str, Any]) -> Any:
        """What the block is given, and of the last one what it gave last time: since then nothing else is added between."""
        parts: tuple[Any, ...] = tuple(streams[name] for name in self.row.gives)
        if self.place == self.count - 1:
            places = [(self.number, name) for name in self.row.gives]
            kept, entered = self.call.sparing.kept, self.call.entered
            parts = tuple(entered[place] + kept[place] if place in kept else None for place in places)
        return parts[0] if len(self.row.gives) == 1 else parts

    def _learn(self, made: Mapping[str, Any]) -> None:
        call = self.call
        for name, stream in made.items():
            entered = call.entered.get((self.number, name))
            if stream is not None and entered is not None:
                call.sparing.kept[self.number, name] = stream - entered
        added = call.sparing.kept.get((self.number, self._picture))
        if added is None:
            return
        call.added = (
            added if call.added is None else call.added + self._of_picture(added, call.added.shape[1])
        )
        if self.number == call.lists - 1:
            call.sparing.learn(call.added)

    def _of_picture(self, added: Tensor, count: int) -> Tensor:
        """The picture's part of what is added to a row of tokens."""
        first = 0 if self.order is Order.PICTURE else added.shape[1] - count
        return added[:, first : first + count]
