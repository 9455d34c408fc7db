"""Compiled blocks and kernels of attention: the same answers, with patches, several sizes and changes inside."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch._inductor import cpp_builder
from torch._inductor.exc import InvalidCxxCompiler

from nodes.diffusion.changes import Layers, NetworkChanges
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import again, attention
from nodes.diffusion.guidance.rules import uncompiled
from nodes.diffusion.keys import key
from nodes.diffusion.memory.budget import Budget, Step
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.compiled import INDUCTOR, hurried
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.pool import COUNTED, Pool, Session
from nodes.diffusion.values import LoraPatch, Model, ModelSettings
from tests.diffusion.models.test_hooks import CONTEXT, lora
from tests.diffusion.models.test_spared import BY_NAME, network, told
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import some

__all__ = ["lora"]

TRACED = "eager"  # traces blocks and runs what it traced: needs no compiler


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    torch.compiler.reset()


def has_compiler() -> bool:
    try:
        cpp_builder.get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True


def flux(**settings: str) -> tuple[Any, LoadedNetwork]:
    case = BY_NAME["FLUX.1"]
    return case, replace(network(case, tiny_network(case)), **settings)


def answer(
    case: Any, net: LoadedNetwork, size: tuple[int, int] = (8, 6), tokens: int = 5, **more: Any
) -> Tensor:
    given = some(2, 4, *size), torch.full((2,), 0.4), some(2, tokens, case.text_width, seed=3)
    return net(*given, inputs=told(case), **more)


def close(one: Tensor, other: Tensor) -> bool:
    return float((one - other).abs().max()) <= 1e-4 * float(other.abs().max())


@pytest.mark.compiles
def test_a_compiled_transformer_answers_as_ever_at_several_sizes():
    case, plain = flux()
    compiled = replace(plain, compiled=TRACED)
    for size, tokens in (((8, 6), 5), ((8, 8), 5), ((4, 10), 7), ((8, 6), 5)):
        made = answer(case, compiled, size, tokens)
        assert close(made, answer(case, plain, size, tokens))
    assert len(compiled.regions[TRACED]) == sum(plain.blocks)
    assert "forward" not in vars(compiled.regions[TRACED][0][0])  # nothing stays on the network


def test_calls_with_changes_inside_of_blocks_go_through_them_as_they_are():
    case, plain = flux()
    compiled = replace(plain, compiled=TRACED)
    alone, left_out = NetworkChanges(alone=Layers((0,))), NetworkChanges(left_out=Layers((1,)))
    assert torch.equal(answer(case, compiled, changes=alone), answer(case, plain, changes=alone))
    assert not compiled.regions
    assert close(answer(case, compiled, changes=left_out), answer(case, plain, changes=left_out))
    assert compiled.regions
    takes = case.family.takes
    assert uncompiled([again.SkippedLayers(Layers((1,)))], takes) == ()
    (said,) = uncompiled([again.PerturbedLayers(Layers((1,))), attention.HyperTile()], takes)
    assert (
        said == "Perturbed attention by layer works inside of blocks: its calls go through them uncompiled."
    )


def of_unet(models: Session, model: Model) -> Tensor:
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return models.network(model)(latents, torch.tensor([400.0]), CONTEXT)


def patched(model_file: Path, lora: Path, placement: Any, hashes: Any, backend: str) -> None:
    """A U-Net, with a LoRA and without in turn, is the same compiled; nothing is compiled twice."""
    model = Model(hashes.reference(model_file))
    styled = model.patched(LoraPatch(hashes.reference(lora), 0.7))
    settings = ModelSettings(compiled=backend)
    assert len({key(each) for each in (model, replace(model, settings=settings))}) == 2
    with Pool(placement, 10**9).session() as models:
        wanted = [of_unet(models, each) for each in (model, styled)]
    stops: list[int] = []
    pool = Pool(placement, 10**9)
    for number in (0, 1, 0):
        with pool.session(lambda: stops.append(1)) as models:
            made = of_unet(models, replace((model, styled)[number], settings=settings))
        assert close(made, wanted[number])
    assert not close(wanted[0], wanted[1])
    assert len(stops) > 3  # Stop is asked for before each block still


@pytest.mark.compiles
def test_a_lora_on_a_compiled_unet_acts(model_file, lora, placement, hashes):
    patched(model_file, lora, placement, hashes, TRACED)


@pytest.mark.compiles
def test_a_compiled_network_whose_blocks_come_and_go_answers_as_ever(model_file, lora, placement, hashes):
    """In a third of its weights, with a LoRA and without; what was compiled serves weights at any place."""
    model = Model(hashes.reference(model_file))
    styled = model.patched(LoraPatch(hashes.reference(lora), 0.7))
    settings = ModelSettings(compiled=TRACED)
    plenty = Pool(placement, 10**9)
    with plenty.session() as models:
        wanted = [of_unet(models, each) for each in (model, styled)]
    size = plenty.size // 3
    pool = Pool(placement, Budget(10**9, size))
    graphs: list[int] = []
    for number in (0, 1, 0):
        with torch.inference_mode(), pool.session(room=size // 4) as models:
            made = of_unet(models, replace((model, styled)[number], settings=settings))
        assert close(made, wanted[number])
        graphs.append(int(counters["stats"]["unique_graphs"]))
    (kept,) = pool.house.kept.values()
    assert (
        kept.residence is not None and kept.residence.step is Step.BLOCKS and kept.residence.away > size // 4
    )
    assert graphs[0] > 0 and len(set(graphs)) == 1, "nothing is compiled again for blocks that come back"


@pytest.mark.compiles
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)  # torch's
@pytest.mark.skipif(not has_compiler(), reason="inductor finds no C++ compiler here")
def test_what_inductor_compiles_answers_as_ever(model_file, lora, placement, hashes):
    patched(model_file, lora, placement, hashes, INDUCTOR)
    case, plain = flux()
    compiled = replace(plain, compiled=INDUCTOR)
    for size in ((8, 6), (8, 8), (4, 10)):
        assert close(answer(case, compiled, size), answer(case, plain, size))


def test_where_memory_is_counted_people_are_told_that_nothing_is_compiled(model_file, placement, hashes):
    model = Model(hashes.reference(model_file), settings=ModelSettings(compiled=TRACED))
    with Pool(placement, 10**9, Meter()).session() as models:
        models.network(model)
        assert models.warnings == [COUNTED]


def test_without_a_compiler_the_node_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    def none() -> str:
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    case, compiled = flux(compiled=INDUCTOR)
    with pytest.raises(DiffusionError, match="no C\\+\\+ compiler is found") as caught:
        answer(case, compiled)
    assert "g++" in str(caught.value.hint)


def test_kernels_of_attention_give_the_same_and_one_that_is_not_here_is_told():
    case, plain = flux()
    wanted = answer(case, plain)
    for kernel in ("plain", "flash"):
        assert close(answer(case, replace(plain, kernel=kernel)), wanted)
    with pytest.raises(DiffusionError, match="'cudnn' cannot be used by this model on this device"):
        answer(case, replace(plain, kernel="cudnn"))


def test_other_errors_pass_through_what_hurries():
    _, net = flux()
    with (
        pytest.raises(RuntimeError, match="another"),
        hurried(net.module, net.family.stacks, "", "plain", {}),
    ):
        raise RuntimeError("another")
