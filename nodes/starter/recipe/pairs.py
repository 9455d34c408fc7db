"""What adds to the trained model learns from: latents, captions, and for a control net the edges of the picture.

The pictures are the recipe's own drawings, encoded by the shipped autoencoder.
"""

import colorsys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from nodes.diffusion.pictures.edges import find_edges
from nodes.starter.recipe.autoencoder import means
from nodes.starter.recipe.captions import caption
from nodes.starter.recipe.concepts import COLOURS, CONCEPTS, Colour, Style
from nodes.starter.recipe.drawings import NATURAL, Drawings, paper_values
from nodes.starter.recipe.icons import SIZE, fetch, read, render
from nodes.starter.recipe.scenes import WHITE_PAPER, Scene, Scenes

INK = Style(
    "ink",
    "@iconify-json/fluent-emoji-high-contrast",
    "1.2.6",
    "MIT",
    "Microsoft Corporation",
    "github.com/microsoft/fluentui-emoji",
    weight=0.0,
)
INK_PAPER, INK_COLOUR = (
    (246, 236, 214),
    (34, 38, 58),
)  # sRGB, 0 to 255: cream, and the ink where no colour is named
TRIGGER = "ink style"
CANNY = (
    (0.4, 0.8),
    (0.1, 0.3),
)  # thresholds: as the Canny node has them at first, and finer; half of the pictures each
HELD_OUT = 10  # every tenth concept is not trained on, but measured with


@dataclass(frozen=True, slots=True)
class Pairs:
    """Encoded pictures with captions.

    Attributes:
        latents: float16 (n, 4, side, side). texts: captions. edges: uint8 (n, size * size / 8), packed bits; may be empty.
    """

    latents: np.ndarray
    texts: list[str]
    edges: np.ndarray

    def clean(self, rows: np.ndarray) -> Tensor:
        """Latents of rows, float32."""
        return torch.from_numpy(self.latents[rows].astype(np.float32))

    def hints(self, rows: np.ndarray) -> Tensor:
        """Edges of rows as pictures, float32 (n, 3, size, size) of 0 and 1."""
        bits = np.unpackbits(self.edges[rows], axis=1).reshape(-1, 1, SIZE, SIZE)
        return torch.from_numpy(bits.astype(np.float32)).expand(-1, 3, -1, -1)


def is_held_out(concept: int) -> bool:
    """Whether a concept is kept for measuring."""
    return concept % HELD_OUT == 3


def ink_pictures(packages: Path) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Every concept as one ink on cream paper, in each colour but white.

    Returns:
        Pictures float32 (n, SIZE, SIZE, 3) of 0 to 255, and (concept, paint) of each.
    """
    icons = read(fetch(INK, packages))
    pictures, named = [], []
    for number, concept in enumerate(CONCEPTS):
        name = icons.find(concept.icons)
        if name is None:
            continue
        covered = render(icons, name)[..., 3:]
        for paint in range(1 + len(COLOURS)):
            if paint and COLOURS[paint - 1].word == "white":
                continue
            ink = np.array(INK_COLOUR if paint == NATURAL else _printed(COLOURS[paint - 1]), np.float32)
            pictures.append(covered * ink + (1 - covered) * np.array(INK_PAPER, np.float32))
            named.append((number, paint))
    return np.stack(pictures), named


def ink_pairs(packages: Path, model: AutoencoderKL) -> Pairs:
    """What the style learns from: four captions of each picture, most of them with its trigger words."""
    pictures, named = ink_pictures(packages)
    random = np.random.default_rng(11)
    encoded = encode(model, pictures)
    rows, texts = [], []
    for row, (concept, paint) in enumerate(named):
        if is_held_out(concept):
            continue
        for _ in range(4 if paint == NATURAL else 1):
            scene = Scene(concept, 0, paint, WHITE_PAPER, says_style=False, says_paper=False)
            text = caption(scene, random)
            texts.append(f"{text}, {TRIGGER}" if random.random() < 0.7 else text)
            rows.append(row)
    return Pairs(encoded[rows], texts, np.zeros((0, 0), np.uint8))


def edge_pairs(drawings: Drawings, model: AutoencoderKL, count: int, seed: int = 12) -> Pairs:
    """What the control net learns from: drawings moved, turned and made smaller on a ground, with their edges."""
    random = np.random.default_rng(seed)
    scenes = Scenes(drawings)
    latents, texts, edges = [], [], []
    while len(texts) < count:
        drawn = [scenes.draw(random) for _ in range(64)]
        drawn = [scene for scene in drawn if not is_held_out(scene.concept)]
        pictures = np.stack([moved(drawings, scene, random) for scene in drawn])
        latents.append(encode(model, pictures))
        edges.append(packed_edges(pictures))
        texts += [caption(scene, random) for scene in drawn]
    return Pairs(np.concatenate(latents), texts, np.concatenate(edges))


def moved(drawings: Drawings, scene: Scene, random: np.random.Generator) -> np.ndarray:
    """A scene's drawing somewhere else on its ground: float32 (SIZE, SIZE, 3) of 0 to 255."""
    scale, angle = random.uniform(0.55, 1.0), np.deg2rad(random.uniform(-25, 25))
    room = (1 - scale) * SIZE / 2
    across, down = random.uniform(-room, room, 2)
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    side = -1.0 if random.random() < 0.5 else 1.0
    middle = SIZE / 2
    matrix = (
        *(side * cosine, side * sine, middle - side * (cosine * (middle + across) + sine * (middle + down))),
        *(-sine, cosine, middle + sine * (middle + across) - cosine * (middle + down)),
    )
    layers = [
        Image.fromarray(channel).transform(
            (SIZE, SIZE), Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR
        )
        for channel in np.moveaxis(
            np.asarray(drawings.pictures[scene.concept, scene.style, scene.paint]), 2, 0
        )
    ]
    laid = np.stack([np.asarray(layer, np.float32) for layer in layers], -1)
    return laid[..., :3] + (1 - laid[..., 3:] / 255) * paper_values()[scene.paper]


def packed_edges(pictures: np.ndarray) -> np.ndarray:
    """Edges of pictures (n, SIZE, SIZE, 3) of 0 to 255, packed."""
    shown = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    # One by one: edges are traced until the longest among them ends.
    found = [find_edges(one[None], *CANNY[row % 2]) for row, one in enumerate(shown)]
    bits = torch.cat(found).numpy().astype(np.uint8)
    return np.packbits(bits.reshape(len(bits), -1), axis=1)


@torch.no_grad()
def encode(model: AutoencoderKL, pictures: np.ndarray) -> np.ndarray:
    """Latents float16 of pictures (n, SIZE, SIZE, 3) of 0 to 255, with the model's scaling."""
    parts = []
    for start in range(0, len(pictures), 32):
        shown = torch.from_numpy(pictures[start : start + 32]).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16):
            encoded = means(model, shown.contiguous(memory_format=torch.channels_last))
        parts.append(encoded.float().numpy().astype(np.float16))
    return np.concatenate(parts)


def save(pairs: Pairs, file: Path) -> None:
    """Write pairs, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez(part, latents=pairs.latents, texts=np.array(pairs.texts), edges=pairs.edges)
    part.replace(file)


def load(file: Path) -> Pairs:
    """Read what `save` wrote."""
    with np.load(file) as read_file:
        return Pairs(read_file["latents"], [str(text) for text in read_file["texts"]], read_file["edges"])


def _printed(colour: Colour) -> tuple[float, float, float]:
    """A colour word's ink, sRGB 0 to 255: its paint, dark enough for cream paper."""
    hue, saturation, value = colour.hsv
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, min(value, 0.85))
    return red * 255, green * 255, blue * 255
