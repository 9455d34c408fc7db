"""A model of Stable Diffusion 1's size with random weights, held to the field's recorded answers (see `folder`)."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.load import Placement, load_text, load_vae
from nodes.diffusion.pool import Pool
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Clip, Cond, Latent, Model

pytestmark = pytest.mark.models

GOLDEN = Path(__file__).parents[2] / "data" / "golden" / "nodes_models.json.gz"
STRIDE = 2654435761  # how the recording chose the places it kept


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    """WEFT_BENCH_MODELS names the folder that the recording's generator of random checkpoints wrote."""
    path = Path(os.environ.get("WEFT_BENCH_MODELS", "")) / "checkpoints" / "bench_sd15.safetensors"
    if not path.is_file():
        pytest.skip("WEFT_BENCH_MODELS names no folder with checkpoints/bench_sd15.safetensors in it")
    return path


def recorded(node: str):
    """The first case of a node: its prompt, and what reached the sink."""
    cases = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    case = next(case for case in cases if case["node"] == node)
    return case["prompt"], case["out"]["out0"][0]


def wave(*shape: int) -> torch.Tensor:
    """The recording's input: a texture with low and high frequencies, in 0..1."""
    index = np.arange(np.prod(shape), dtype=np.float64)
    texture = 0.5 + 0.3 * np.sin(index * 0.0137) + 0.2 * np.sin(index * 1.7 + 0.5)
    return torch.tensor(texture.astype(np.float32)).reshape(shape)


def agrees(made: torch.Tensor, expected) -> None:
    flat = made.flatten()
    assert list(made.shape) == expected["tensor"]
    at = [float(flat[index * STRIDE % len(flat)]) for index in range(24)]
    assert at == pytest.approx(expected["at"], abs=1e-4, rel=1e-4)
    assert float(flat.mean()) == pytest.approx(expected["mean"], abs=1e-4)


def test_text(checkpoint, placement):
    encoding = load_text(checkpoint, placement).encoders["l"].encode("a b")
    context, rest = recorded("CLIPTextEncode")[1][0]
    agrees(encoding.context, context)
    agrees(encoding.pooled, rest["pooled_output"])


def test_vae(checkpoint, placement):
    vae, latents = load_vae(checkpoint, placement), (wave(1, 4, 8, 9) - 0.5) * 4
    agrees(vae.decode(latents), recorded("VAEDecode")[1])
    agrees(vae.decode_tiled(latents, 8, 2), recorded("VAEDecodeTiled")[1])
    agrees(vae.encode(wave(1, 40, 48, 3)), recorded("VAEEncode")[1]["samples"])


def test_sampling(checkpoint, placement: Placement, hashes):
    prompt, expected = recorded("KSampler")
    asked, ref = prompt["node"]["inputs"], hashes.reference(checkpoint)
    with Pool(placement, 1).session() as models:
        network = models.network(Model(ref))
        texts = [prompt[asked[side][0]]["inputs"]["text"] for side in ("positive", "negative")]
        positive, negative = (Cond(models.encode(Clip(ref), text).context) for text in texts)
        sampler = asked["sampler_name"]
        sigmas = for_sampler(asked["scheduler"], sampler, network.levels, asked["steps"])
        guided = Guided(network, (positive,), (negative,), asked["cfg"])
        run = Run(sampler, sigmas, asked["seed"])
        last = list(sample(guided, Latent((wave(1, 4, 8, 9) - 0.5) * 4), run))[-1]
    agrees(last.latents, expected["samples"])
