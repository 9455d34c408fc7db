"""A slow, obvious evaluator written from sections 5 to 10 of EXECUTOR.md: what a prompt must give, run and say.

It walks the graph by recursion, one node at a time, computes no hash, and shares no code with the executor. Where the
issue asks for more than the field does (other branches go on after a failure), it follows the issue.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from nodes.spec import Node, Result
from tests.server.spec.reference_calls import (
    OFF,
    Finished,
    NodeFails,
    blockers,
    calls,
    is_link,
    joined,
    read,
    shown,
    spread,
)

Prompt = Mapping[str, Mapping[str, Any]]


@dataclass
class Account:
    """What must come of one run.

    Attributes:
        shown: by node, what the canvas shows.
        calls: how often each node's function is called.
        failed: the message of each node that fails.
        told: (node, message) of blocks that say why.
        remembered: nodes of the prompt that need not run, since their result is known.
        fed, asked: (node, source): the source is done before the node is called; with `fed` before it is even asked
            what it needs.
        contents: by node, a number that is equal for nodes that give the same; None for one that equals none.
    """

    shown: dict[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    remembered: set[str] = field(default_factory=set)
    fed: set[tuple[str, str]] = field(default_factory=set)
    asked: set[tuple[str, str]] = field(default_factory=set)
    contents: dict[str, int | None] = field(default_factory=dict)


class Reference:
    """Runs prompts one after the other, and remembers results as the default policy does."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._memory: dict[int, Finished] = {}
        self._numbers: dict[object, int] = {}  # each different content has its number

    def run(self, prompt: Prompt, targets: Sequence[str]) -> Account:
        """Run the output nodes `targets` of a prompt."""
        walk = _Walk(self._nodes, prompt, self._memory, self._numbers)
        walk.run(targets)
        return walk.account


class _Walk:
    def __init__(
        self,
        nodes: Mapping[str, Node],
        prompt: Prompt,
        memory: dict[int, Finished],
        numbers: dict[object, int],
    ) -> None:
        self.account = Account()
        self._nodes = nodes
        self._prompt = dict(prompt)
        self._memory, self._before = memory, dict(memory)
        self._numbers = numbers
        self._signatures: dict[str, int | None] = {}
        self._finished: dict[str, Finished | None] = {}  # None: it failed, or something that it needs did
        self._tokens: dict[str, object] = {}
        self._repeated: set[str] = set()

    def run(self, targets: Sequence[str]) -> None:
        self.account.remembered = {id for id in self._reach(targets) if self._remembered(id)}
        for id in self._needed_unasked(targets):
            if (known := self._remembered(id)) and known.ui is not None:
                self.account.shown[id] = known.ui
        for id in targets:
            self._finish(id)
        self.account.contents = self._signatures

    # --- the graph --------------------------------------------------------------------------------------------------

    def _node(self, id: str) -> Node:
        return self._nodes[self._prompt[id]["class_type"]]

    def _inputs(self, id: str) -> Mapping[str, Any]:
        return self._prompt[id]["inputs"]

    def _declares(self, id: str, name: str) -> bool:
        return name in [entry.name for entry in self._node(id).spec.inputs]

    def _option(self, id: str, name: str, option: str) -> bool:
        declared = next((entry for entry in self._node(id).spec.inputs if entry.name == name), None)
        return declared is not None and bool(declared.options.get(option))

    def _is_lazy(self, id: str, name: str) -> bool:
        return is_link(self._inputs(id)[name]) and self._option(id, name, "lazy")

    def _sources(self, id: str) -> list[str]:
        """The nodes whose values it needs before it is asked anything."""
        return [
            value[0]
            for name, value in self._inputs(id).items()
            if is_link(value) and not self._option(id, name, "rawLink") and not self._option(id, name, "lazy")
        ]

    def _reach(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for id in ids:
            links = [value[0] for value in self._inputs(id).values() if is_link(value)]
            found |= {id} | self._reach(links)
        return found

    def _needed_unasked(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for id in ids:
            found.add(id)
            if not self._remembered(id):
                found |= self._needed_unasked(self._sources(id))
        return found

    # --- what is equal to what: section 10 --------------------------------------------------------------------------

    def _remembered(self, id: str) -> Finished | None:
        signature = self._signature(id)
        return None if signature is None else self._before.get(signature)

    def _signature(self, id: str) -> int | None:
        """Equal for nodes that give the same; None for one that can never be told equal."""
        if id not in self._signatures:
            content = self._content(id)
            number = None if content is None else self._numbers.setdefault(content, len(self._numbers))
            self._signatures[id] = number
        return self._signatures[id]

    def _content(self, id: str) -> object | None:
        token = self._token(id)
        if token is None:
            return None
        parts: list[object] = []
        for name, value in sorted(self._inputs(id).items()):
            if is_link(value):
                above = self._signature(value[0])
                if above is None:
                    return None
                raw = value[0] if self._option(id, name, "rawLink") else None
                parts.append((name, "link", above, value[1], raw))
            else:
                parts.append((name, "constant", json.dumps(value)))
        spec = self._node(id).spec
        return spec.id, token, None if spec.idempotent else id, tuple(parts)

    def _token(self, id: str) -> str | None:
        """The change token as a text; None: it equals nothing, so the node always runs."""
        ask = self._node(id).change_token
        if ask is None:
            return ""
        constants = {
            name: None if is_link(value) else value
            for name, value in self._inputs(id).items()
            if self._declares(id, name)
        }
        if id not in self._tokens:
            try:
                self._tokens[id] = ask(self._context(id), **constants)
            except Exception:  # noqa: BLE001 - whatever a node raises
                self._tokens[id] = math.nan
        token = self._tokens[id]
        return None if isinstance(token, float) and math.isnan(token) else repr(token)

    # --- one node: section 6 ----------------------------------------------------------------------------------------

    def _finish(self, id: str) -> Finished | None:
        if id not in self._finished:
            self._finished[id] = self._remembered(id) or self._compute(id)
        return self._finished[id]

    def _compute(self, id: str) -> Finished | None:
        sources = self._sources(id)
        self.account.fed |= {(id, source) for source in sources}
        if not self._all_finish(sources):
            return None
        try:
            lists = self._gather(id)
            if lists is None:
                return None
            finished = self._call(id, lists)
        except NodeFails as failure:
            self.account.failed[id] = str(failure)
            return None
        if finished is not None and finished.ui is not None:
            self.account.shown[id] = finished.ui
        return finished

    def _all_finish(self, sources: Sequence[str]) -> bool:
        """Whether all of these give something; each gets its turn, whatever becomes of the others."""
        finished = [self._finish(source) for source in sources]
        return None not in finished

    def _gather(self, id: str) -> dict[str, list[Any]] | None:
        """The lists of its inputs, once it names no lazy one that it has not got; None if one of these is lost."""
        asked: set[str] = set()
        while True:
            lists = self._lists(id, asked)
            new = {name for name in self._wanted(id, lists) - asked if self._is_lazy(id, name)}
            if not new:
                return lists
            sources = [self._inputs(id)[name][0] for name in new]
            self.account.asked |= {(id, source) for source in sources}
            if not self._all_finish(sources):
                return None
            asked |= new

    def _lists(self, id: str, asked: set[str]) -> dict[str, list[Any]]:
        lists: dict[str, list[Any]] = {}
        for name, value in self._inputs(id).items():
            if not self._declares(id, name):
                continue
            if not is_link(value) or self._option(id, name, "rawLink"):
                lists[name] = [value]
            elif self._is_lazy(id, name) and name not in asked:
                lists[name] = [None]
            else:
                source = self._finished[value[0]]
                assert source is not None
                lists[name] = source.slots[value[1]]
        return lists

    def _wanted(self, id: str, lists: Mapping[str, list[Any]]) -> set[str]:
        node = self._node(id)
        if node.needs is None:
            return set()
        wanted: list[str] = []
        for index, call in enumerate(calls(node, lists)):
            if not blockers(node, call):
                wanted += node.needs(self._context(id, index), **call) or []
        for name in wanted:
            if name not in self._inputs(id):
                raise NodeFails(f"{node.spec.id} asked for input {name!r}, which nothing is linked to.")
        return set(wanted)

    # --- its calls: sections 7 and 8 --------------------------------------------------------------------------------

    def _call(self, id: str, lists: Mapping[str, list[Any]]) -> Finished | None:
        node = self._node(id)
        every = calls(node, lists)
        blocks = [blockers(node, call) for call in every]
        for message in {found[0].message for found in blocks if found and found[0].message is not None}:
            self.account.told[id, message] += 1
        off = tuple([OFF] for _ in node.spec.outputs)
        given: list[Result | None] = []
        error: Exception | None = None
        for index, call in enumerate(every):
            if error is not None and not node.spec.is_async:
                break
            if blocks[index]:
                given.append(None)
                continue
            self.account.calls[id] += 1
            try:
                given.append(read(node, node.run(self._context(id, index), **call)))
            except Exception as raised:  # noqa: BLE001 - whatever a node raises
                error = error or raised
        if error is not None:
            raise NodeFails(str(error) or type(error).__name__) from error
        if any(one is not None and one.expand is not None for one in given):
            return self._expand(id, given)
        parts = [off if one is None else spread(node, one.outputs) for one in given]
        finished = Finished(joined(node, parts), shown(given))
        if any(one is not None for one in given):
            self._remember(id, finished)
        return finished

    def _remember(self, id: str, finished: Finished) -> None:
        signature = self._signature(id)
        if signature is not None:
            self._memory[signature] = finished

    # --- graphs made on the way: section 9 --------------------------------------------------------------------------

    def _expand(self, id: str, given: Sequence[Result | None]) -> Finished | None:
        node = self._node(id)
        made: dict[str, Any] = {}
        for one in given:
            for new, raw in ((one.expand if one else None) or {}).items():
                if new in made:
                    raise NodeFails(f"{node.spec.id} made two nodes with the id {new!r}.")
                made[new] = raw
        self._prompt |= made
        for new in made:  # results that were known before the run
            if (known := self._remembered(new)) and known.ui is not None:
                self.account.shown[new] = known.ui
        links = [
            output[0] for one in given if one and one.expand for output in one.outputs if is_link(output)
        ]
        outputs = [new for new in made if self._node(new).spec.is_output]
        there = [self._finish(new) is not None for new in links]
        for new in outputs:
            self._finish(new)
        if not all(there):
            return None
        parts = [
            tuple([OFF] for _ in node.spec.outputs)
            if one is None
            else tuple(
                self._behind(output) if one.expand and is_link(output) else spread(node, (output,))[0]
                for output in one.outputs
            )
            for one in given
        ]
        finished = Finished(joined(node, parts), shown(given))
        if outputs or any(self._signature(new) is None or new in self._repeated for new in made):
            self._repeated.add(id)
        else:
            self._remember(id, finished)
        return finished

    def _behind(self, link: Sequence[Any]) -> list[Any]:
        source = self._finished[link[0]]
        assert source is not None
        return source.slots[link[1]]

    def _context(self, id: str, call: int = 0) -> Any:
        return SimpleNamespace(node_id=id, call=call)
