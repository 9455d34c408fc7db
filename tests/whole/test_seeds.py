"""Seeds over HTTP: each image of a batch is the one that its own seed gives alone, varied or not, on the starter model."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from tests.serving import Server
from tests.whole.test_pictures import txt2img

SEED, VARIATION, BATCH = 2**64 - 2, 40, 3  # the second image's seed is the last one, the third's begins anew
WRAP = 2**64


def sampled(name: str, seed: int, variation: int, batch: int, sampler: str) -> dict[str, Any]:
    """Nodes that make a batch of latents; `name` keeps them apart from others of the prompt."""
    noise = {
        "noise_seed": seed, "noise_device": "cpu", "seed_per_image": True, "variation_seed": variation,
        "variation_strength": 0.3 if variation else 0.0,
    }  # fmt: skip
    parts = {
        "noise": ("WeftSeededNoise", noise),
        "empty": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": batch}),
        "sampler": ("KSamplerSelect", {"sampler_name": sampler}),
        "sigmas": (
            "BasicScheduler",
            {"model": ["1", 0], "scheduler": "sgm_uniform", "steps": 3, "denoise": 1.0},
        ),
        "guider": ("CFGGuider", {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "cfg": 3.0}),
    }
    joined = {
        "noise": [f"{name} noise", 0], "guider": [f"{name} guider", 0], "sampler": [f"{name} sampler", 0],
        "sigmas": [f"{name} sigmas", 0], "latent_image": [f"{name} empty", 0],
    }  # fmt: skip
    nodes = {f"{name} {part}": {"class_type": kind, "inputs": given} for part, (kind, given) in parts.items()}
    return nodes | {f"{name} run": {"class_type": "SamplerCustomAdvanced", "inputs": joined}}


def shown(name: str, place: int, at: int) -> dict[str, Any]:
    """Nodes that tell all about one item of a batch; the run is stopped before its end would hide the noise."""
    item = {"samples": [f"{name} run", 0], "batch_index": at, "length": 1}
    return {
        f"{name} {place} item": {"class_type": "LatentFromBatch", "inputs": item},
        f"{name} {place} sink": {
            "class_type": "ProbeExact",
            "inputs": {"value": [f"{name} {place} item", 0]},
        },
    }


def said(entry: Mapping[str, Any], sink: str) -> Any:
    return json.loads(entry["outputs"][sink]["probe"][0])["samples"]


@pytest.mark.parametrize(("sampler", "variation"), [("dpmpp_2m_sde", VARIATION), ("euler_ancestral", 0)])
def test_an_image_of_a_batch_is_what_its_seed_gives_alone(server: Server, sampler: str, variation: int):
    prompt = {id: node for id, node in txt2img().items() if id in {"1", "2", "3"}}
    prompt |= sampled("whole", SEED, variation, BATCH, sampler)
    for place in range(BATCH):
        own = (SEED + place) % WRAP, variation and variation + place
        prompt |= shown("whole", place, place)
        prompt |= sampled(f"alone{place}", *own, 1, sampler) | shown(f"alone{place}", place, 0)
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "success", entry["status"]
    items = [said(entry, f"whole {place} sink") for place in range(BATCH)]
    assert items == [said(entry, f"alone{place} {place} sink") for place in range(BATCH)]
    assert all(one["at"] != other["at"] for one, other in pairwise(items))
