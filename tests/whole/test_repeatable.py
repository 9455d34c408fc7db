"""The same prompt gives the same bytes: again, from every state of what is kept, and in another life of server or worker."""

from collections.abc import Mapping
from typing import Any

import pytest

from nodes.builtin.record import RECORD
from tests.serving import Server, serving
from tests.whole.test_pictures import but_for_its_job, cached, made, txt2img

LARGEST = 2**64 - 1
PACK = """
import os


class Dies:
    RETURN_TYPES = ()
    FUNCTION = "die"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def die(self):
        os._exit(3)


NODE_CLASS_MAPPINGS = {"Dies": Dies}
"""
DIE = {"1": {"class_type": "Dies", "inputs": {}}}
ALL = {"1", "2", "3", "4", "5", "6"}

State = tuple[bytes, Any, set[str]]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, State]:
    """One prompt in each state: its pixels, the machine that its picture tells of, and which nodes were known."""
    place = tmp_path_factory.mktemp("lives")
    (place / "custom_nodes").mkdir()
    (place / "custom_nodes" / "deadly.py").write_text(PACK)
    found: dict[str, State] = {}

    def run(name: str, server: Server) -> None:
        prompt = txt2img(n5_seed=LARGEST, n5_steps=2, n7_filename_prefix=f"state{len(found)}")
        entry = server.run(prompt)
        pixels, said = but_for_its_job(made(entry, place))
        found[name] = pixels, said[RECORD]["machine"], cached(entry)

    with serving(place, "--cache-none") as server:
        run("cold", server)
        run("once more", server)
        assert server.run(DIE)["status"]["status_str"] == "error"
        run("another worker", server)
    with serving(place, "--cache-none", "--backend", "thread") as server:
        run("another server, in threads", server)
    with serving(place) as server:
        server.run(txt2img(n5_seed=3, n5_steps=2))
        run("texts are known", server)
        run("all is known", server)
        assert server.run(DIE)["status"]["status_str"] == "error"
        run("known from disk", server)
    return found


@pytest.mark.parametrize(
    ("state", "known"),
    [
        ("once more", set()),
        ("another worker", set()),
        ("another server, in threads", set()),
        ("texts are known", {"1", "2", "3", "4"}),
        ("all is known", ALL),
        ("known from disk", {"5"}),
    ],
)
def test_the_same_prompt_gives_the_same_pixels(state: str, known: set[str], states: Mapping[str, State]):
    pixels, machine, found = states[state]
    # what is cheap to make need not be on disk
    assert known <= found if state == "known from disk" else found == known
    assert pixels == states["cold"][0]
    assert machine == states["cold"][1] and machine["threads"] >= 1
