"""What `/object_info` answers, made once for each content: thousands of nodes are many megabytes.

Asked, the worker says whether its nodes are still those that it told last, and folders are listed again; if nothing is
new, the answer of before is sent. While the worker starts, the descriptions that the last start kept are sent.
"""

import asyncio
import gzip
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec

from nodes.spec import Json, NodeSpec
from server.api import versions, wire
from server.api.describe import describe, describe_all
from server.api.kept import Answer, Kept
from server.backends.base import Backend
from server.graph.constants import Lister

P = ParamSpec("P")
LEVEL = 4  # of gzip: a tenth of the size, in a third of the time of the best


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer and what it was made of: the nodes, and the files of each folder key that they offer."""

    specs: Mapping[str, NodeSpec]
    listed: Mapping[str, Sequence[str]]
    answer: Answer


class Descriptions:
    """All nodes as clients see them.

    Args:
        backend: knows the nodes.
        choices: lists the files of a folder key.
        kept: those of the last start; None to keep nothing.
    """

    def __init__(self, backend: Backend, choices: Lister, kept: Kept | None = None) -> None:
        self._backend = backend
        self._choices = choices
        self._kept = kept
        self._known: Mapping[str, NodeSpec] | None = None
        self._is_news = True  # whether what the worker says has not been taken in yet
        self._looked = float("-inf")  # when the last look at the worker's nodes began
        self._looking = asyncio.Lock()
        self._made: _Made | None = None
        self._making = asyncio.Lock()
        self._chores: set[asyncio.Task[None]] = set()

    async def specs(self) -> Mapping[str, NodeSpec]:
        """The nodes: the worker's of now, or while it starts those known from before.

        Raises:
            BackendLost: none are known, and no worker can be started.
        """
        asked = time.monotonic()
        async with self._looking:
            if not self._backend.ready and self._known is None and self._kept is not None:
                self._known = await asyncio.to_thread(self._kept.read)
            if self._known is not None and (not self._backend.ready or self._looked > asked):
                return self._known  # nobody to ask yet; or somebody's look began after we asked
            self._looked = time.monotonic()
            found = await self._backend.specs(refresh=True)
            if self._is_news or (found is not self._known and found != self._known):
                self._is_news = False
                self._known = found
                if self._kept is not None:
                    self._beside(self._kept.write, found)
            return self._known or {}

    async def answer(self) -> Answer:
        """All nodes, as `/object_info` gives them."""
        if not self._backend.ready and self._kept is not None:
            kept = await asyncio.to_thread(self._kept.read_answer, self._choices)
            if kept is not None and not self._backend.ready:
                return kept
        specs = await self.specs()
        async with self._making:
            listed = await asyncio.to_thread(self._list, specs)
            made = self._made
            if made is None or made.specs is not specs or made.listed != listed:
                made = self._made = _Made(specs, listed, await asyncio.to_thread(_make, specs, listed))
                if self._kept is not None and not self._is_news:
                    self._beside(self._kept.write_answer, made.answer, listed)
            return made.answer

    async def one(self, name: str) -> dict[str, dict[str, Json]]:
        """One node by class type; empty if nobody brought it."""
        spec = (await self.specs()).get(name)
        if spec is None:
            return {}
        return {spec.id: await asyncio.to_thread(describe, spec, self._choices)}

    def _list(self, specs: Mapping[str, NodeSpec]) -> Mapping[str, Sequence[str]]:
        made = self._made
        keys = made.listed if made is not None and made.specs is specs else _folders(specs)
        return {key: tuple(self._choices(key)) for key in keys}

    def _beside(self, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Let work be done in a thread, while the answer is sent."""
        chore = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)


def _folders(specs: Mapping[str, NodeSpec]) -> list[str]:
    """Every folder key whose files some node offers."""
    offers = (entry.choices for spec in specs.values() for entry in spec.inputs)
    return list(dict.fromkeys(choices.folder for choices in offers if choices is not None and choices.folder))


def _make(specs: Mapping[str, NodeSpec], listed: Mapping[str, Sequence[str]]) -> Answer:
    body = wire.dumps(describe_all(specs, listed.__getitem__)).encode()
    packed = gzip.compress(body, LEVEL, mtime=0)
    return Answer(packed, versions.etag(packed))
