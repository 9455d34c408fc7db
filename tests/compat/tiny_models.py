"""The starter model as packs hold it, in this process, and our own nodes beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.builtin import all_nodes
from nodes.compat.convert import inward, outward
from nodes.compat.current import entered
from nodes.compat.install import install_classes, install_names
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond, Latent, Model
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

STARTER = Path(__file__).parents[2] / "nodes" / "starter" / "weft-starter-v0"
CPU = torch.device("cpu")
NODES = {entry.spec.id: entry for entry in all_nodes()}
EMPTY = Latent(torch.zeros(1, 4, 8, 8))
PROMPTS = {
    side: (Cond(torch.linspace(-1, end, 77 * 192).reshape(1, 77, 192)),)
    for side, end in (("positive", 2.0), ("negative", 1.0))
}
NEAR = 1e-5


class Host:
    """A node of a pack that runs: its model, and nodes of ours to compare with."""

    def __init__(self, folder: Path) -> None:
        install_names()
        install_classes(NODES.values())
        temp = folder / "temp"
        temp.mkdir(exist_ok=True)
        sys.modules["folder_paths"].set_temp_directory(str(temp))
        pool = Pool(Placement(CPU, torch.float32, torch.float32), 10**9)
        self.folder = folder
        self.ctx = Surroundings(
            Workspace(folder), {Pool: pool, ContentHashes: ContentHashes()}, previews=False
        )
        self.recipe = Model(ContentHashes().reference(STARTER))

    def patcher(self, recipe: Model | None = None) -> Any:
        """The model as a pack gets it."""
        return outward(self.recipe if recipe is None else recipe)

    def run(self, name: str, **inputs: object) -> Any:
        """A node of ours; what packs hold crosses the border first."""
        return NODES[name].run(self.ctx, **{key: inward(value, "*") for key, value in inputs.items()})

    def sampled(self, model: Any, latent: Latent = EMPTY, **more: Any) -> torch.Tensor:
        """What KSampler makes of a model."""
        given = {
            "seed": 5,
            "steps": 2,
            "cfg": 3.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 0.5,
        } | more
        return self.run("KSampler", model=model, latent_image=latent, **PROMPTS, **given).samples

    @contextmanager
    def running(self) -> Iterator[None]:
        """A pack's node runs. Networks answer both sides in one batch, as on a card: packs' functions see them so,
        and rounding is the same with and without them."""
        with pytest.MonkeyPatch.context() as patch, entered(self.ctx), torch.inference_mode():
            patch.setattr(LoadedNetwork, "apart", False)
            yield
