"""A model that is larger than the device's memory runs in it all the same, and gives the same bytes."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.memory.budget import Budget, DoesNotFit, Mode, Residence, Sizes, Step, housed
from nodes.diffusion.memory.estimate import META, of_network
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Clip, LoraPatch, Model, Vae
from tests.diffusion.models import tiny

CPU = torch.device("cpu")
SINGLE = Placement(CPU, torch.float32, torch.float32)
PLENTY = 10**9
TIMES = torch.tensor([500.0])
CHANCE = torch.Generator().manual_seed(1)
LATENTS, CONTEXT = torch.randn(1, 4, 8, 8, generator=CHANCE), torch.randn(1, 77, 64, generator=CHANCE)


@pytest.fixture(scope="module")
def ref(tmp_path_factory):
    return ContentHashes().reference(
        tiny.original_file(tmp_path_factory.mktemp("models") / "tiny.safetensors")
    )


@pytest.fixture(scope="module")
def room(ref):
    network = load_network(ref.path, replace(SINGLE, device=META))
    return of_network(network, LATENTS.shape, CONTEXT.shape[1]).size


@pytest.fixture(scope="module")
def whole(ref):
    """The network without a budget: its bytes, and what it says."""
    pool = Pool(SINGLE, PLENTY)
    return pool, asked(pool, Model(ref))


def asked(pool, model, room=None):
    with torch.inference_mode(), pool.session(room=room) as models:
        network = models.network(model)
        return [network(LATENTS * factor, TIMES, CONTEXT) for factor in (1.0, 0.5)]


def narrow(size, mode=Mode.AUTO, **further):
    """A pool on a device of so many bytes."""
    budget = Budget(keep=PLENTY, device=size, mode=mode, **further)
    return Pool(SINGLE, budget, Meter(size))


def runs_out(pool, model):
    """Whether memory ends; the error is gone with what it holds."""
    try:
        asked(pool, model, 0)
    except torch.OutOfMemoryError:
        return True
    return False


def same(one, other):
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_a_model_three_times_the_budget_runs_in_it_with_equal_bytes(ref, room, whole):
    plenty, expected = whole
    size = plenty.size // 3
    pool = narrow(size)
    answers = asked(pool, Model(ref), room)
    assert same(answers, expected)
    assert pool.house.meter.peak <= size
    (kept,) = pool.house.kept.values()
    assert kept.residence.step is Step.BLOCKS and kept.residence.away > size
    assert pool.house.meter.now <= kept.residence.held, "between runs the slots are gone"
    assert same(asked(pool, Model(ref), room), expected), "once more"


def test_the_plan_foresees_the_peak(ref, room, whole):
    pool = narrow(whole[0].size // 3)
    asked(pool, Model(ref), room)
    (kept,) = pool.house.kept.values()
    planned = kept.residence.held + room
    assert planned == pytest.approx(pool.house.meter.peak, rel=0.1)


def test_what_fits_comes_whole_and_what_does_not_in_blocks_from_main_memory_or_the_file():
    sizes = Sizes((4, 4, 4, 4), 2)
    assert housed(sizes, 18, None) == Residence(Step.WHOLE, (), 18, 0, 18)
    assert housed(sizes, 17, None).step is Step.BLOCKS
    assert (
        housed(sizes, 14, None) == Residence(Step.BLOCKS, (0, 1, 2), 14, 12)
        or housed(sizes, 14, None).held <= 14
    )
    assert housed(sizes, 10, 100) == Residence(Step.BLOCKS, (0, 1, 2, 3), 10, 16, 18)
    assert housed(sizes, 10, 15).step is Step.DISK
    assert housed(sizes, 100, None, Mode.NOTHING).coming == (0, 1, 2, 3)
    assert housed(sizes, 100, None, Mode.BLOCKS).coming == (0,)
    for free, mode in ((9, Mode.AUTO), (17, Mode.WHOLE)):
        with pytest.raises(DoesNotFit):
            housed(sizes, free, None, mode)


def test_weights_in_another_type_than_their_file_come_from_it_where_main_memory_is_short(
    ref, room, whole, tmp_path
):
    halved = {name: tensor.half() for name, tensor in load_file(ref.path).items()}
    save_file(halved, tmp_path / "half.safetensors")
    half = Model(ContentHashes().reference(tmp_path / "half.safetensors"))
    expected = asked(Pool(SINGLE, PLENTY), half)
    pool = narrow(whole[0].size // 3, host=0)
    assert same(asked(pool, half, room), expected)
    (kept,) = pool.house.kept.values()
    assert kept.residence.step is Step.DISK
    kinds = {owned.weight.dtype for block in kept.streamed.blocks for owned in block.weights}
    assert kinds == {torch.float16}, "they lie as in the file"


@pytest.mark.parametrize("host", [None, 0])
def test_a_lora_on_a_model_in_blocks_costs_its_own_layers_and_gives_equal_bytes(
    ref, room, whole, host, tmp_path
):
    name = "lora_unet_mid_block_attentions_0_proj_in"
    block = "lora_unet_up_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
    up, down = torch.randn(64, 2, generator=CHANCE), torch.randn(2, 64, generator=CHANCE)
    tensors = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    tensors |= {f"{block}.lora_up.weight": up[:32].clone(), f"{block}.lora_down.weight": down[:, :32].clone()}
    save_file(tensors, tmp_path / "a.safetensors")
    patched = Model(ref).patched(LoraPatch(ContentHashes().reference(tmp_path / "a.safetensors"), 0.7))
    expected = asked(Pool(SINGLE, PLENTY), patched)
    pool = narrow(whole[0].size // 3, host=host)
    asked(pool, Model(ref), room)
    (kept,) = pool.house.kept.values()
    before = weights_of(kept)
    assert same(asked(pool, patched, room), expected)
    changed = {full for full, weight in weights_of(kept).items() if weight is not before[full]}
    assert len(changed) == 2
    assert same(asked(pool, Model(ref), room), whole[1]), "taken off without a trace"
    assert all(torch.equal(weight, before[full]) for full, weight in weights_of(kept).items())


def weights_of(kept):
    return dict(kept.module.named_parameters())


def test_text_encoders_and_autoencoders_leave_first(ref, whole):
    pool = Pool(SINGLE, Budget(keep=PLENTY, device=PLENTY))
    with pool.session() as models:
        models.network(Model(ref))
    with pool.session() as models:
        models.text(Clip(ref))
        models.vae(Vae(ref))
    pool.house.budget = replace(pool.house.budget, device=whole[0].size + 1)
    pool.house.fit(0)
    assert [kept.part.value for kept in pool.house.kept.values()] == ["diffusion model"]


def test_what_is_too_large_even_in_blocks_is_said_with_what_it_needs(ref):
    pool = narrow(400_000)
    with pytest.raises(
        DiffusionError, match=r"too little memory for the diffusion model of tiny.*needs 1 MB of the 400 kB"
    ) as error:
        asked(pool, Model(ref), 0)
    assert "eight bits" in error.value.hint


def test_after_memory_ran_out_the_next_run_has_another_plan_and_succeeds(ref, room, whole):
    plenty = narrow(PLENTY)
    asked(plenty, Model(ref))
    size = plenty.house.meter.now + room // 2
    pool = narrow(size)
    assert runs_out(pool, Model(ref)), "it seems to fit whole, to who thinks that computing takes nothing"
    pool.house.memory_ran_out()
    assert same(asked(pool, Model(ref), 0), whole[1])
    (kept,) = pool.house.kept.values()
    assert kept.residence.step is Step.BLOCKS and pool.house.meter.peak <= size


@pytest.mark.parametrize("mode", [Mode.BLOCKS, Mode.NOTHING])
def test_modes_keep_blocks_away_though_there_is_room(ref, whole, mode):
    pool = narrow(PLENTY, mode)
    assert same(asked(pool, Model(ref)), whole[1])
    (kept,) = pool.house.kept.values()
    count = len(kept.residence.coming)
    assert count == 1 if mode is Mode.BLOCKS else count == len(kept.streamed.blocks) > 1


def test_a_larger_picture_makes_a_whole_model_come_in_blocks_and_a_smaller_one_whole_again(ref, whole):
    pool = narrow(whole[0].size + 10**6)
    steps = []
    for more in (0, 2 * 10**6, 0):
        asked(pool, Model(ref), more)
        steps += [kept.residence is not None for kept in pool.house.kept.values()]
    assert steps == [False, True, False]


def test_stop_in_a_block_leaves_nothing_on_the_device(ref, room, whole):
    class Stopped(Exception):
        pass

    calls = []

    def check():
        calls.append(1)
        if len(calls) == 9:
            raise Stopped

    pool = narrow(whole[0].size // 3)
    with pytest.raises(Stopped), torch.inference_mode(), pool.session(check, room) as models:
        models.network(Model(ref))(LATENTS, TIMES, CONTEXT)
    gc.collect()
    (kept,) = pool.house.kept.values()
    assert pool.house.meter.now <= kept.residence.held
    assert same(asked(pool, Model(ref), room), whole[1])


def test_loads_leave_nothing_behind(tmp_path):
    file = tmp_path / "vae.safetensors"
    save_file(tiny.original_vae(""), file)
    reference = ContentHashes().reference(file)
    pool, modules, tensors = Pool(SINGLE, 0), weakref.WeakSet(), weakref.WeakSet()
    for _ in range(4):  # tests.bench.models does it a thousand times
        with pool.session() as models:
            module = models.vae(Vae(reference)).module
            modules.add(module)
            tensors.update(module.parameters())
        del module
    gc.collect()
    assert (len(modules), len(tensors), pool.size) == (0, 0, 0)
