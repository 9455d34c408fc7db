"""The memory plan of a prompt, and how it compares with what a run takes."""

from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes.builtin import all_nodes
from nodes.builtin.planning import MemoryPlan
from nodes.diffusion.memory.budget import Budget
from nodes.diffusion.memory.foresight import Foresight
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Model, Vae
from nodes.spec import NodeError, Registry
from tests.diffusion.models import tiny

SINGLE = Placement(torch.device("cpu"), torch.float32, torch.float32)
PLENTY = 10**9


class Files:
    """The tiny model under every name, and one LoRA."""

    def __init__(self, folder):
        self.model = tiny.original_file(folder / "tiny.safetensors")
        self.lora = folder / "lora.safetensors"
        name = "lora_unet_mid_block_attentions_0_proj_in"
        save_file(
            {f"{name}.lora_up.weight": torch.ones(64, 2), f"{name}.lora_down.weight": torch.ones(2, 64)},
            self.lora,
        )

    def find(self, folder, name):
        if name == "gone":
            raise NodeError("There is no gone in checkpoints.")
        return self.lora if folder == "loras" else self.model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def spec():
    return Registry(all_nodes()).spec


def planned(files, spec, limit, **changes) -> Any:
    budget = Budget(PLENTY, limit)
    prompt = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "a"}),
        "2": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "3": ("EmptyLatentImage", {"width": ["9", 0], "height": 64, "batch_size": 1}),
        "4": ("LoraLoader", {"lora_name": "b", "strength_model": 1.0, "model": ["1", 0], "clip": ["1", 1]}),
        "5": ("KSampler", {"model": ["1", 0], "latent_image": ["3", 0], "cfg": 7.0}),
        "6": ("VAEDecode", {"samples": ["5", 0], "vae": ["1", 2]}),
        "9": ("PrimitiveInt", {"value": 64}),
    }
    for id, inputs in changes.items():
        prompt[id[1:]][1].update(inputs)
    nodes = {id: {"class_type": kind, "inputs": inputs} for id, (kind, inputs) in prompt.items()}
    return MemoryPlan(Foresight(SINGLE, budget, limit), files, spec)(nodes)


def test_a_plan_says_node_by_node_what_is_needed_and_in_sum_whether_it_fits(files, spec):
    plan = planned(files, spec, 10**8)
    assert (plan["verdict"], plan["words"][:5], plan["faults"]) == ("fits", "fits:", {})
    assert set(plan["nodes"]) == {"2", "5", "6"}
    assert plan["peak"] == max(node["peak"] for node in plan["nodes"].values())
    plan = planned(files, spec, 2_500_000, n2={"clip": ""}, n6={"vae": ""})  # the network alone
    assert plan["verdict"] == "offloads" and plan["words"].startswith("will offload ")
    plan = planned(files, spec, 300_000, n2={"clip": ""})
    assert plan["verdict"] == "cannot" and "try" in plan["words"]
    assert (
        planned(files, spec, 10**8, n1={"ckpt_name": "gone"})["faults"]["5"]
        == "There is no gone in checkpoints."
    )


def test_a_plan_foresees_the_peak_of_a_run_within_a_tenth(files, spec):
    plan, reference = planned(files, spec, 10**8), ContentHashes().reference(files.model)
    pool = Pool(SINGLE, Budget(PLENTY, 10**8), Meter(10**8))
    meter, latents = pool.house.meter, torch.zeros(1, 4, 8, 8)
    with torch.inference_mode(), pool.session() as models:
        models.network(Model(reference))(latents, torch.tensor([500.0]), torch.zeros(1, 77, tiny.CONTEXT))
    assert plan["nodes"]["5"]["peak"] == pytest.approx(meter.peak, rel=0.1)
    pool.empty()
    meter.restart()
    with torch.inference_mode(), pool.session() as models:
        models.vae(Vae(reference)).decode(latents)
    assert plan["nodes"]["6"]["peak"] == pytest.approx(meter.peak, rel=0.1)


def test_a_lora_counts_by_the_layers_that_it_changes_and_a_larger_picture_by_its_size(files, spec):
    plain = planned(files, spec, 10**8)["nodes"]["5"]
    changed = planned(files, spec, 10**8, n5={"model": ["4", 0]})["nodes"]["5"]
    assert changed["weights"] - plain["weights"] == 64 * 64 * 4
    larger = planned(files, spec, 10**8, n9={"value": 128})["nodes"]["5"]
    assert larger["computing"] > plain["computing"] and larger["weights"] == plain["weights"]
