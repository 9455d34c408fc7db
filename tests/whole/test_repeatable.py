"""The same prompt gives the same in another life of the server or of its worker, also where nodes run in threads."""

from pathlib import Path
from typing import Any

from tests.serving import serving
from tests.whole.test_pictures import but_for_its_job, made, txt2img

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


def drawn(workspace: Path, *arguments: str) -> tuple[bytes, dict[str, Any]]:
    """The picture of a server that remembers nothing."""
    with serving(workspace, "--cache-none", *arguments) as server:
        return but_for_its_job(made(server.run(txt2img(n5_seed=LARGEST, n5_steps=2)), workspace))


def test_the_same_prompt_gives_the_same_pixels_across_restarts_and_backends(tmp_path: Path):
    assert drawn(tmp_path) == drawn(tmp_path, "--backend", "thread")


def test_a_worker_after_one_that_died_gives_the_same_pixels(tmp_path: Path):
    (tmp_path / "custom_nodes").mkdir()
    (tmp_path / "custom_nodes" / "deadly.py").write_text(PACK)
    prompt = txt2img(n5_seed=LARGEST, n5_steps=2)
    with serving(tmp_path, "--cache-none") as server:
        first = but_for_its_job(made(server.run(prompt), tmp_path))
        died = server.run({"1": {"class_type": "Dies", "inputs": {}}})
        assert died["status"]["status_str"] == "error"
        assert but_for_its_job(made(server.run(prompt), tmp_path)) == first
