"""A graphics card for the tests of this folder; without one they skip."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nodes.diffusion.models.load import Placement, best_placement
from tests.cuda.card_nodes import FACTORY
from tests.cuda.studio import Studio
from tests.serving import Server, serving
from tests.whole.test_pictures import txt2img

SINGLE = torch.float32


@pytest.fixture(autouse=True, scope="session")
def card() -> torch.device:
    """The card that Weft picks by itself. What torch takes of it at the first product, and never gives back, is taken."""
    if not torch.cuda.is_available():
        pytest.skip("There is no CUDA device on this machine.")
    device = best_placement().device
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        square = torch.ones(64, 64, device=device, dtype=dtype)
        torch.mm(square, square)
    return device


@pytest.fixture(autouse=True, scope="session")
def exact(card: torch.device) -> None:
    """Single precision is single precision: convolutions leave no bits out, as they do by default."""
    with warnings.catch_warnings(action="ignore"):  # torch has another way to say it, which older ones lack
        torch.backends.cudnn.allow_tf32 = False


@pytest.fixture(scope="session")
def processor(card: torch.device) -> Studio:
    """What the card is compared with."""
    return Studio(Placement(torch.device("cpu"), SINGLE, SINGLE))


@pytest.fixture(scope="session")
def single(card: torch.device) -> Studio:
    """The card in single precision."""
    return Studio(Placement(card, SINGLE, SINGLE))


@pytest.fixture(scope="session")
def best(card: torch.device) -> Studio:
    """The card as Weft uses it."""
    return Studio(best_placement())


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def server(card: torch.device, workspace: Path) -> Iterator[Server]:
    """A server whose worker has drawn a picture on the card already."""
    with serving(workspace, "--factory", FACTORY, "--disable-all-custom-nodes") as running:
        assert running.run(txt2img())["status"]["status_str"] == "success"
        yield running
