"""Questions for a thousand results, told as what differs from an earlier question: most prompts are like one before.

Both sides remember the last questions that have a name: the asker what it asked and heard, the worker what it said.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from server.graph.host import Remembered
from server.worker.messages import Recall, Recalled

REMEMBERED = 4  # questions
LEAST = 64  # keys of a question that is worth a name

Known = Mapping[str, Remembered]


@dataclass(slots=True)
class _Asked:
    keys: frozenset[str]
    known: Known | None = None  # None: not answered yet


class Asker:
    """The server's side, for one worker."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}  # the last one last
        self._name = 0

    def question(self, keys: Collection[str]) -> Recall:
        """The shortest question for these keys."""
        if len(keys) < LEAST:
            return Recall(tuple(keys))
        wanted = frozenset(keys)
        self._name += 1
        shortest, told = Recall(tuple(wanted), self._name), len(wanted)
        for name, asked in self._asked.items():
            if asked.known is None:
                continue
            new, but = wanted - asked.keys, asked.keys - wanted
            if len(new) + len(but) < told:
                told = len(new) + len(but)
                shortest = Recall(tuple(new), self._name, name, tuple(but))
        self._asked[self._name] = _Asked(wanted)
        return shortest

    def hear(self, question: Recall, answer: Recalled) -> Known:
        """Everything that is known of what was in question."""
        if not question.name:
            return answer.known
        known = dict(answer.known)
        if question.like:
            dropped = {*question.but, *answer.gone}
            before = self._asked[question.like].known or {}
            known = {key: value for key, value in before.items() if key not in dropped} | known
        self._asked[question.name].known = known
        _forget(self._asked, question.name)
        return known


class Answerer:
    """The worker's side.

    Args:
        recall: which of these results are known. The same object as before where a result is as it was.
    """

    def __init__(self, recall: Callable[[Collection[str]], Known]) -> None:
        self._recall = recall
        self._said: dict[int, tuple[frozenset[str], Known]] = {}

    def answer(self, question: Recall) -> Recalled:
        """What differs from the answer to the question that this one is like."""
        if not question.name:
            return Recalled(self._recall(question.keys))
        keys, before = self._said[question.like] if question.like else (frozenset[str](), {})
        keys = keys.difference(question.but).union(question.keys)
        known = self._recall(keys)
        self._said[question.name] = keys, known
        _forget(self._said, question.name)
        news = {key: value for key, value in known.items() if before.get(key) is not value}
        return Recalled(news, tuple(key for key in before if key in keys and key not in known))


def _forget(named: "dict[int, _Asked] | dict[int, tuple[frozenset[str], Known]]", latest: int) -> None:
    """Forget what is too long past, counted by names, so that both sides forget the same."""
    for name in [name for name in named if name <= latest - REMEMBERED]:
        del named[name]
