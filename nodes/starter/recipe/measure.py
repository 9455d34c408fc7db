"""How well the adds do on what they were not trained on: `python -m nodes.starter.recipe.measure WORK` prints a table.

Things are the held-out tenth. WORK is the folder that `addons` trained in, for its drawings.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn

from nodes import starter
from nodes.diffusion.lora_files import Strong, read_lora
from nodes.diffusion.lora_names import NETWORK_PREFIXES
from nodes.diffusion.patches import Patcher
from nodes.diffusion.pictures.edges import find_edges
from nodes.starter.recipe import drawings, pairs, sample
from nodes.starter.recipe.addons import EDGES_FOLDER, INK_FILE
from nodes.starter.recipe.concepts import CONCEPTS
from nodes.starter.recipe.scenes import Scenes

NEAR = 2  # pixels
STRENGTHS = (0.0, 0.5, 1.0)


class Led(nn.Module):
    """A U-Net that a net of edges leads: called as the U-Net is, with guidance's two halves.

    Attributes:
        hints: edges (n, 3, size, size) of the pictures that are drawn. strength: what the net's answers are times.
    """

    def __init__(
        self, unet: UNet2DConditionModel, net: ControlNetModel, hints: Tensor, strength: float
    ) -> None:
        super().__init__()
        self.unet, self.net, self.hints, self.strength = unet, net, hints, strength

    def forward(self, latents: Tensor, timestep: Tensor, states: Tensor) -> object:
        """The U-Net's answer."""
        hints = self.hints.repeat(len(latents) // len(self.hints), 1, 1, 1)
        down, middle = self.net(
            latents, timestep, states, hints, conditioning_scale=self.strength, return_dict=False
        )
        return self.unet(
            latents,
            timestep,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        )


def followed(pictures: np.ndarray, hints: Tensor) -> float:
    """Share of the hints' edge pixels with an edge of the picture within `NEAR` pixels.

    Args:
        pictures: uint8 (n, size, size, 3). hints: (n, 3, size, size) of 0 and 1.
    """
    shown = torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2).float() / 255
    found = torch.cat([find_edges(one[None], *pairs.CANNY[1]) for one in shown]).reshape(
        len(shown), 1, *shown.shape[2:]
    )
    near = torch.nn.functional.max_pool2d(found.float(), 2 * NEAR + 1, 1, NEAR)
    asked = hints[:, :1] > 0
    return float((near * asked).sum() / asked.sum())


def led(strength: float, prompts: list[str], hints: Tensor, steps: int = 20) -> list[np.ndarray]:
    """Pictures (uint8) along edges, by the shipped model and net."""
    model = sample.load(starter.path())
    net = ControlNetModel.from_pretrained(
        starter.path().parent / EDGES_FOLDER, torch_dtype=torch.float32
    ).eval()
    return sample.draw(
        sample.Model(
            Led(model.unet, net, hints, strength),
            model.autoencoder,
            model.encoder,
            model.tokenizer,
            model.scheduler,
        ),
        prompts,
        list(range(len(prompts))),
        steps=steps,
    )


def inked(strength: float, prompts: list[str], steps: int = 20) -> list[np.ndarray]:
    """Pictures (uint8) in the style, by the shipped model and file."""
    model = sample.load(starter.path())
    patcher = Patcher(model.unet, NETWORK_PREFIXES)
    patcher.put_on([Strong(read_lora(starter.path().parent / INK_FILE), strength)])
    return sample.draw(model, prompts, list(range(len(prompts))), steps=steps)


def off_paper(pictures: list[np.ndarray]) -> float:
    """Mean distance of the pictures' borders from the style's paper, in steps of 0 to 255."""
    ring = [np.concatenate([one[:6].reshape(-1, 3), one[-6:].reshape(-1, 3)]) for one in pictures]
    return float(np.abs(np.concatenate(ring) - np.array(pairs.INK_PAPER, np.float32)).mean())


def main() -> None:
    """Print both measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    drawn = drawings.load(parser.parse_args().work / "drawings")
    torch.set_num_threads(1)
    random = np.random.default_rng(5)
    scenes = Scenes(drawn)
    held = [scene for scene in (scenes.draw(random) for _ in range(400)) if pairs.is_held_out(scene.concept)][
        :16
    ]
    packed = pairs.packed_edges(np.stack([pairs.moved(drawn, scene, random) for scene in held]))
    hints = pairs.Pairs(np.zeros(0), [], packed).hints(np.arange(len(held)))
    things = [f"a {CONCEPTS[scene.concept].name}" for scene in held]
    for strength in STRENGTHS:
        share = followed(np.stack(led(strength, things, hints)), hints)
        paper = off_paper(inked(strength, [f"{thing}, {pairs.TRIGGER}" for thing in things]))
        print(f"strength {strength}: {share:.0%} of the edges kept; {paper:.0f} of 255 off the paper")


if __name__ == "__main__":
    main()
