"""Guidance nodes: the rules that they put on a model, and what they say of values that cannot be meant."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nodes.builtin import all_nodes
from nodes.diffusion.changes import Layers
from nodes.diffusion.guidance import again, joining
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import CheckpointRef, Cond, Latent, Model, Span
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.test_transformers import tiny_network, written
from tests.diffusion.models.transformers import CASES, CPU, some

NODES = {entry.spec.id: entry for entry in all_nodes()}
MODEL = Model(CheckpointRef(Path("model.safetensors"), "one"))


def run(name: str, **inputs: object) -> tuple[Any, list[str]]:
    said: list[str] = []
    made = NODES[name].run(SimpleNamespace(say=said.append), **{"model": MODEL, **inputs})
    return made, said


@pytest.mark.parametrize(
    "name", ["WeftGuidanceInterval", "WeftPerturbedAttentionLayers", "WeftFirstBlockCache"]
)
def test_our_own_nodes_refuse_a_share_that_ends_before_it_starts(name: str):
    with pytest.raises(NodeError, match=r"start_percent is 0\.8 and comes after end_percent, which is 0\.3"):
        run(name, start_percent=0.8, end_percent=0.3)
    made, said = run(name, start_percent=0.3, end_percent=0.3)
    assert len(made.rules) == 1
    assert not said


@pytest.mark.parametrize(
    "name",
    [
        "SkipLayerGuidanceDiT",
        "SkipLayerGuidanceDiTSimple",
        "SkipLayerGuidanceSD3",
        "PatchModelAddDownscale",
        "EasyCache",
        "LazyCache",
    ],
)
def test_the_field_s_nodes_run_and_say_that_they_do_nothing(name: str):
    made, said = run(name, start_percent=0.8, end_percent=0.3)
    assert len(made.rules) == 1
    assert said == ["start_percent (0.8) comes after end_percent (0.3): this does nothing in the whole run."]
    assert run(name)[1] == []


def test_a_prompt_that_counts_nowhere_says_so():
    cond = Cond(torch.zeros(1, 2, 3))
    made: Any = NODES["ConditioningSetTimestepRange"]
    said: list[str] = []
    context: Any = SimpleNamespace(say=said.append)
    (ranged,) = made.run(context, conditioning=(cond,), start=0.6, end=0.5)
    assert ranged.span == Span(0.6, 0.5)
    assert said == ["start (0.6) comes after end (0.5): this does nothing in the whole run."]


def test_layers_are_read_from_words():
    made, said = run("SkipLayerGuidanceDiT", double_layers="7, 8;9", single_layers="")
    assert made.rules == (again.SkippedLayers(Layers((7, 8, 9)), 3.0, 0.01, 0.15),)
    assert not said
    made, said = run("WeftPerturbedAttentionLayers", double_layers="all", single_layers="1")
    assert made.rules == (again.PerturbedLayers(Layers((), (1,))),)
    assert said == ["double_layers: there is no number in 'all', so that it names no layer."]
    assert run("SkipLayerGuidanceSD3", layers="none")[0] is MODEL


def test_an_interval_is_a_rule_of_its_share():
    assert run("WeftGuidanceInterval")[0].rules == (joining.LimitedInterval(0.2, 0.8),)


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    placement = Placement(CPU, torch.float32, torch.float32)
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    return Surroundings(workspace, {Pool: Pool(placement, 10**9)}, previews=False)


@pytest.fixture(scope="module")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """Tiny networks of the true number of latent channels, in files."""
    made: dict[str, Model] = {}
    for name, channels in (("FLUX.1", {"in_channels": 64}), ("Stable Diffusion 3", {"in_channels": 16})):
        case = next(case for case in CASES if case.name == name)
        more = channels | ({"out_channels": 16} if name == "Stable Diffusion 3" else {})
        case = replace(case, tiny={**case.tiny, **more})
        path = tmp_path_factory.mktemp("models") / "model.safetensors"
        made[name] = Model(ContentHashes().reference(written(case, tiny_network(case), path)))
    return made


def sampled(ctx: Surroundings, model: Model, cond: Cond) -> tuple[torch.Tensor, list[str]]:
    """What KSampler makes of two prompts, and what it says."""
    negative = Cond(some(1, 5, 24, seed=2), some(1, 20, seed=5))
    ctx.said.clear()
    made: Any = NODES["KSampler"].run(
        ctx,
        model=model,
        seed=1,
        steps=2,
        cfg=2.0,
        sampler_name="euler",
        scheduler="simple",
        positive=(cond,),
        negative=(negative,),
        latent_image=Latent(torch.zeros(1, 16, 8, 8)),
    )
    return made.samples, list(ctx.said)


@pytest.mark.parametrize("name", ["FLUX.1", "Stable Diffusion 3"])
def test_on_a_transformer_rules_change_the_picture_or_say_on_the_sampler_that_they_do_not(
    ctx: Surroundings, transformers: dict[str, Model], name: str
):
    model, cond = transformers[name], Cond(some(1, 5, 24, seed=3), some(1, 20))
    plain, said = sampled(ctx, model, cond)
    assert not said
    acting = {
        "SkipLayerGuidanceDiT": {
            "double_layers": "0",
            "single_layers": "",
            "end_percent": 1.0,
            "start_percent": 0.0,
        },
        "SkipLayerGuidanceDiTSimple": {"double_layers": "1", "single_layers": ""},
        "WeftPerturbedAttentionLayers": {"double_layers": "0"},
        "WeftNormalizedAttentionGuidance": {"negative": (Cond(some(1, 5, 24, seed=8)),)},
    }
    for node, inputs in acting.items():
        made, said = sampled(ctx, run(node, model=model, **inputs)[0], cond)
        assert not said, node
        assert bool(made.isfinite().all()), node
        assert not torch.allclose(made, plain, atol=1e-3), node
    idle = ("FreeU", "HyperTile", "TomePatchModel", "PerturbedAttentionGuidance", "SelfAttentionGuidance")
    for node in idle if name == "FLUX.1" else idle[-1:]:
        made, said = sampled(ctx, run(node, model=model)[0], cond)
        assert torch.equal(made, plain), node
        assert len(said) == 1
        assert said[0].startswith(("FreeU", "HyperTile", "Token", "Perturbed-Att", "Self-Att")), said
        assert f"does nothing to this model: {name} has no such parts." in said[0]
    beyond = run("SkipLayerGuidanceDiT", model=model, double_layers="0, 7", single_layers="")[0]
    assert f"double_layers 7 do nothing, as this {name} has" in sampled(ctx, beyond, cond)[1][0]


def test_a_picture_to_refer_to_counts_or_is_said_not_to(ctx: Surroundings, transformers: dict[str, Model]):
    cond = Cond(some(1, 5, 24, seed=3), some(1, 20))
    shown = cond.with_extra({"reference_latents": [some(1, 16, 4, 4, seed=7)]})
    flux, sd3 = transformers.values()
    made, said = sampled(ctx, flux, shown)
    assert not said
    assert not torch.allclose(made, sampled(ctx, flux, cond)[0])
    made, said = sampled(ctx, sd3, shown)
    assert said == ["Stable Diffusion 3 does not read pictures to refer to (ReferenceLatent)."]
    assert torch.equal(made, sampled(ctx, sd3, cond)[0])


def test_step_caches_spare_blocks_of_a_transformer_and_say_how_many(
    ctx: Surroundings, transformers: dict[str, Model]
):
    model, cond = transformers["FLUX.1"], Cond(some(1, 5, 24, seed=3), some(1, 20))
    plain, _ = sampled(ctx, model, cond)
    made, said = sampled(ctx, run("WeftFirstBlockCache", model=model, threshold=3.0)[0], cond)
    assert said == ["First-Block Cache spared 2 of 4 calls all blocks but the first."]
    assert not torch.equal(made, plain)
    measuring = run("WeftMagCache", model=model, table="measure")[0]
    made, (ratios,) = sampled(ctx, measuring, cond)
    assert torch.equal(made, plain)
    own = run("WeftMagCache", model=model, table="own numbers", numbers=ratios.split(": ")[1], steps=2)[0]
    assert len(own.rules[0].ratios) == 2
    both = run("WeftFirstBlockCache", model=own)[0]
    _, said = sampled(ctx, both, cond)
    assert any("MagCache, whose node comes first, works alone." in line for line in said)
    flux = run("WeftMagCache")[0].rules[0]
    assert len(flux.ratios) == 28
    for numbers, what in (("", "has to hold"), ("1, x", "no number"), ("1, -1", "above 0")):
        with pytest.raises(NodeError, match=what):
            run("WeftMagCache", table="own numbers", numbers=numbers)
