"""The same prompt gives the same in another life of the server, also where nodes run in threads of it."""

from pathlib import Path
from typing import Any

from tests.serving import serving
from tests.whole.test_pictures import but_for_its_job, made, txt2img

LARGEST = 2**64 - 1


def drawn(workspace: Path, *arguments: str) -> tuple[bytes, dict[str, Any]]:
    """The picture of a server that remembers nothing."""
    with serving(workspace, "--cache-none", *arguments) as server:
        return but_for_its_job(made(server.run(txt2img(n5_seed=LARGEST, n5_steps=2)), workspace))


def test_the_same_prompt_gives_the_same_pixels_across_restarts_and_backends(tmp_path: Path):
    assert drawn(tmp_path) == drawn(tmp_path, "--backend", "thread")
