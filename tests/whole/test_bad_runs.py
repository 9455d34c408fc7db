"""What only shows when a workflow runs: each fault is told on its node, with the input, the cause and what to do.

Wires of any type bring what no widget would: the probe pack's `ProbeValue` gives whatever JSON says, and more.
"""

import re
from typing import Any

import pytest

from tests.serving import Server
from tests.whole.test_bad_input import failed
from tests.whole.test_pictures import txt2img

Prompt = dict[str, Any]


def node(kind: str, **inputs: Any) -> Prompt:
    return {"class_type": kind, "inputs": inputs}


def told(place: str, text: str) -> Prompt:
    """The shipped path with one input from a wire that brings what a text of JSON says."""
    return through(place, node("ProbeValue", json_text=text))


def through(place: str, feeding: Prompt, **more: Prompt) -> Prompt:
    """The shipped path with one input, "5_steps", from another node, and further nodes."""
    prompt, (id, name) = txt2img(), place.split("_", 1)
    prompt[id]["inputs"][name] = ["new", 0]
    return prompt | {"new": feeding} | more


def scheduled(sigmas: str, sampler: str) -> Prompt:
    """The shipped path with sigmas that somebody typed."""
    prompt = txt2img()
    sides = {name: prompt["5"]["inputs"][name] for name in ("model", "positive", "negative", "latent_image")}
    wired = {"sampler": ["sampler", 0], "sigmas": ["sigmas", 0]}
    prompt["5"] = node("SamplerCustom", add_noise=True, noise_seed=1, cfg=3.0, **sides, **wired)
    prompt["sampler"] = node("KSamplerSelect", sampler_name=sampler)
    return prompt | {"sigmas": node("ManualSigmas", sigmas=sigmas)}


def pictured(size: int, kind: str = "VAEEncode", **more: Any) -> Prompt:
    """A picture through a VAE, and back."""
    return txt2img() | {
        "5": node("ProbeImage", width=size, height=size, batch=1),
        "new": node(kind, pixels=["5", 0], vae=["1", 2], **more),
        "6": node("VAEDecode", samples=["new", 0], vae=["1", 2]),
    }


LATENTS_OF_16 = node("ProbeNoisyLatent", width=16, height=16, batch=1, channels=16)
NOTHING_LEFT = {
    "mask": node("ProbeMask", width=16, height=16, x0=0, y0=0, x1=8, y1=8),
    "cut": node("CropMask", mask=["mask", 0], x=500, y=0, width=8, height=8),
}
HUGE = node("UNetSelfAttentionMultiply", model=["1", 0], q=["far", 0], k=1.0, v=1.0, out=1.0)
TILES = {"tile_size": ["zero", 0], "overlap": 0, "temporal_size": 64, "temporal_overlap": 8}
MASKED = node(
    "ConditioningSetMask", conditioning=["2", 0], mask=["cut", 0], strength=1.0, set_cond_area="default"
)
AREA = node("ConditioningSetArea", conditioning=["2", 0], width=64, height=64, x=5000, y=0, strength=1.0)

CASES: dict[
    str, tuple[Prompt, str, str]
] = {  # the workflow; the node that is blamed; words of its message, in order
    "no steps": (told("5_steps", "0"), "5", "no schedule of 0 steps.*Set steps to 1"),
    "steps in words": (told("5_steps", '"many"'), "5", "steps is 'many', which is no whole number"),
    "half a step": (told("5_steps", "2.5"), "5", "steps is 2.5, which is no whole number"),
    "denoise that is no number": (told("5_denoise", "NaN"), "5", "denoise is nan"),
    "guidance that is no number": (told("5_cfg", "NaN"), "5", "cfg is nan.*feeds cfg"),
    "endless guidance": (
        told("5_cfg", "Infinity"),
        "5",
        "Step 1 of 4 with the sampler dpmpp_2m gave no numbers",
    ),
    "a seed too large": (told("5_seed", str(2**64)), "5", f"seed is {2**64}"),
    "a model that overflows": (
        through("5_model", HUGE, far=node("ProbeValue", json_text="1e39")),
        "5",
        "Step 1 of 4 with the sampler dpmpp_2m gave no numbers.*LoRAs",
    ),
    "a rising schedule": (
        scheduled("1, 5, 14", "dpmpp_sde"),
        "5",
        "rises in step 1, from 1 to 5.*dpmpp_sde.*falling",
    ),
    "a schedule that stays": (
        scheduled("5, 5, 5, 0", "dpmpp_2m"),
        "5",
        "Step 2 of 3 .*dpmpp_2m.* stays at 5.*twice",
    ),
    "a negative sigma": (scheduled("5, -1", "euler"), "5", "holds -1.0, which is no noise level"),
    "no prompt": (told("5_positive", "[]"), "5", "positive conditioning is empty.*CLIP Text Encode"),
    "a number for a prompt": (told("5_positive", "5"), "5", "positive is 5, which is no CONDITIONING"),
    "another family's prompt": (
        through("5_positive", node("ProbeCond", tokens=77, dim=1024)),
        "5",
        "read for Stable Diffusion 2.*Connect the CLIP of the same checkpoint",
    ),
    "another family's latents": (
        through("5_latent_image", LATENTS_OF_16),
        "5",
        r"16 channels \(Stable Diffusion 3 or .*4 channels \(Stable Diffusion 1.*VAE that belongs to the model",
    ),
    "another family's VAE": (
        through("6_samples", LATENTS_OF_16),
        "6",
        "16 channels, as of Stable Diffusion 3 or .*this VAE decodes 4.*VAE of the model",
    ),
    "a negative width": (told("4_width", "-8"), "4", "1 latents of 16 x -1.*width and height"),
    "no width": (told("4_width", "0"), "4", "1 latents of 16 x 0"),
    "a width beyond all memory": (told("4_width", str(10**13)), "4", "memory.*smaller picture"),
    "an empty batch": (told("4_batch_size", "0"), "4", "There would be 0 latents.*batch_size"),
    "a mask of nothing": (
        through(
            "5_latent_image", node("SetLatentNoiseMask", samples=["4", 0], mask=["cut", 0]), **NOTHING_LEFT
        ),
        "new",
        "mask is 0 x 8.*node that cut it",
    ),
    "a prompt's mask of nothing": (
        through("5_positive", MASKED, **NOTHING_LEFT),
        "5",
        "mask of a prompt is empty",
    ),
    "an area beyond the picture": (
        through("5_positive", AREA),
        "5",
        "begins 625 latents from the left.*16 x 16",
    ),
    "a picture smaller than a latent": (
        pictured(4),
        "new",
        "pixels holds 1 pictures of 4 x 4.*larger picture",
    ),
    "tiles of nothing": (
        pictured(64, "VAEEncodeTiled", **TILES) | {"zero": node("ProbeValue", json_text="0")},
        "new",
        "tile_size is 0.*1 or more",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_of_a_run_is_told_on_its_node(server: Server, case: str):
    prompt, blamed, words = CASES[case]
    error = failed(server, prompt)
    assert error["node_id"] == blamed
    message = " ".join(error["exception_message"].split())
    assert re.search(words, message), message
    assert error["exception_message"].strip().count("\n") >= 1  # what to do stands in a line of its own


FINE: dict[str, Prompt] = {
    "no denoise": txt2img(n5_denoise=0.0),
    "less than no denoise": told("5_denoise", "-1"),
    "a whole number as a float": told("5_steps", "2.0"),
    "no negative prompt": told("5_negative", "[]"),
    "a mask of another size": through(
        "5_latent_image",
        node("SetLatentNoiseMask", samples=["4", 0], mask=["mask", 0]),
        mask=node("ProbeMask", width=33, height=7, x0=0, y0=0, x1=9, y1=7),
    ),
    "a single sigma": scheduled("5", "dpmpp_2m"),
    "no sigmas": scheduled("", "dpmpp_2m"),
    "a rising schedule for one that climbs": scheduled("1, 5, 14", "euler"),
}


@pytest.mark.parametrize("case", FINE)
def test_what_has_a_meaning_runs_and_the_server_goes_on(server: Server, case: str):
    entry = server.run(FINE[case])
    assert entry["status"]["status_str"] == "success", entry["status"]
