"""Questions for many results are told as differences: both sides come to the same as if all were told."""

import pickle
from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from server.graph.host import Remembered
from server.graph.outcome import Token
from server.worker import recalling
from server.worker.recalling import Answerer, Asker

KEYS = [f"key {number}" for number in range(3 * recalling.LEAST)]
SUBSETS = st.sets(st.integers(0, len(KEYS) - 1)).map(
    lambda missing: [key for n, key in enumerate(KEYS) if n not in missing]
)


class Memory:
    """Results by key, some of which come and go."""

    def __init__(self) -> None:
        self.kept: dict[str, Remembered] = {}

    def recall(self, keys: Collection[str]) -> dict[str, Remembered]:
        return {key: self.kept[key] for key in keys if key in self.kept}


@given(st.lists(st.tuples(SUBSETS, st.sets(st.sampled_from(KEYS), max_size=20)), max_size=8))
def test_the_answer_is_what_is_known(rounds: list[tuple[list[str], set[str]]]):
    memory, asker = Memory(), Asker()
    answerer = Answerer(memory.recall)
    for number, (keys, touched) in enumerate(rounds):
        for key in touched:  # known ones are forgotten, others made
            if memory.kept.pop(key, None) is None:
                memory.kept[key] = Remembered((Token(f"{number} {key}", 0),))
        question = asker.question(keys)
        answer = pickle.loads(pickle.dumps(answerer.answer(question)))
        assert asker.hear(question, answer) == memory.recall(keys)


def test_what_is_as_it_was_is_not_told_again():
    memory, asker = Memory(), Asker()
    memory.kept = {key: Remembered((Token(key, 0),)) for key in KEYS}
    answerer = Answerer(memory.recall)
    first = asker.question(KEYS)
    assert asker.hear(first, answerer.answer(first)) == memory.kept
    del memory.kept[KEYS[0]]
    other = [*KEYS[:-1], "new"]
    question = asker.question(other)
    assert (question.keys, question.but) == (("new",), (KEYS[-1],))
    answer = answerer.answer(question)
    assert (dict(answer.known), answer.gone) == ({}, (KEYS[0],))
    assert asker.hear(question, answer).keys() == set(KEYS[1:-1])


def test_an_unanswered_question_is_nothing_to_refer_to():
    memory, asker = Memory(), Asker()
    answerer = Answerer(memory.recall)
    asker.question(KEYS)  # its worker could not answer
    question = asker.question(KEYS)
    assert (set(question.keys), question.like) == (set(KEYS), 0)
    assert asker.hear(question, answerer.answer(question)) == {}
