"""What `weft verify` says of a picture that came out otherwise: the likeliest cause among what differs."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from server.graph.run import Ending, Status
from server.verify.compare import Difference, Here, Kind, differences
from server.verify.distance import distance
from server.verify.finding import Finding, as_json, lines
from server.verify.picture import read
from server.verify.rerun import Again
from tests.server.verify.pictures import record, save
from tests.server.verify.test_compare import here

THREADS = here(machine={"threads": 8})
OTHER_MODEL = here(file={"sha256": "f" * 64}, machine={"threads": 8})


def finding(
    folder: Path, place: Here, *, identical: bool = False, more: Sequence[Difference] = ()
) -> Finding:
    saved, made = (
        read(save(folder / "a.png", record())),
        read(save(folder / "b.png", record(), colour="gold")),
    )
    again = Again(
        Ending(Status.SUCCEEDED, {}, {}, (), None), made, identical, distance(saved.path, made.path)
    )
    return Finding(saved, (*differences(saved, place), *more), (), again)


def test_of_other_bytes_another_number_of_threads_is_the_likely_cause(tmp_path: Path):
    found = finding(tmp_path, THREADS)
    assert found.status == 1
    last = lines(found)[-1]
    assert last.startswith("The likely cause: Made with another number of threads: 2, here 8.")
    assert "OMP_NUM_THREADS=2 takes as many here." in last
    told = as_json(found)["rerun"]
    assert isinstance(told, dict)
    assert "number of threads: 2, here 8" in str(told["cause"])


def test_where_the_bytes_are_the_same_threads_are_told_as_different_and_cause_nothing(tmp_path: Path):
    found = finding(tmp_path, THREADS, identical=True)
    assert found.status == 0
    assert any("number of threads" in line for line in lines(found))
    assert not any("likely cause" in line for line in lines(found))


def test_what_changes_more_goes_before_threads(tmp_path: Path):
    assert "has other content here" in finding(tmp_path, OTHER_MODEL).cause
    assert "threads" not in finding(tmp_path, OTHER_MODEL).cause


@pytest.mark.parametrize(
    ("more", "words"),
    [((), "does not give the same"), ((Difference(Kind.UNKNOWN, "gone"),), "holds no record")],
)
def test_where_nothing_recorded_differs_that_is_said(tmp_path: Path, more: Sequence[Difference], words: str):
    assert words in finding(tmp_path, here(), more=more).cause
