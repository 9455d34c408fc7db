"""The pool: recipes share weights, stay within the budget, and leave no trace in one another."""

import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.guidance import Guided
from nodes.diffusion.lora_files import Change
from nodes.diffusion.pool import Pool
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import (
    Clip,
    Cond,
    ControlNet,
    ControlUse,
    Latent,
    LoraPatch,
    Model,
    ModelSettings,
    Vae,
)
from tests.diffusion.models import tiny

LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
TIMES = torch.tensor([500.0])
CONTEXT = torch.randn(1, 77, tiny.CONTEXT, generator=torch.Generator().manual_seed(2))
PLENTY = 10**9


class Stop(Exception):
    """What a person's Stop raises."""


@pytest.fixture
def ref(model_file, hashes):
    return hashes.reference(model_file)


@pytest.fixture
def pool(placement):
    return Pool(placement, PLENTY)


@pytest.fixture(scope="module")
def lora(tmp_path_factory, hashes):
    chance = torch.Generator().manual_seed(3)
    unet, clip = "lora_unet_mid_block_attentions_0_proj_in", "lora_te_text_model_encoder_layers_0_mlp_fc1"
    tensors = {
        f"{unet}.lora_up.weight": torch.randn(64, 2, generator=chance),
        f"{unet}.lora_down.weight": torch.randn(2, 64, generator=chance),
        f"{clip}.lora_up.weight": torch.randn(96, 2, generator=chance),
        f"{clip}.lora_down.weight": torch.randn(2, 64, generator=chance),
    }
    path = tmp_path_factory.mktemp("loras") / "a.safetensors"
    save_file(tensors, path)
    return LoraPatch(hashes.reference(path), 1.0)


def predicted(models, model):
    return models.network(model)(LATENTS, TIMES, CONTEXT)


def test_a_recipe_with_a_lora_leaves_no_trace_in_one_without(pool, ref, lora):
    plain, patched = Model(ref), Model(ref).patched(lora)
    answers = []
    for model in (plain, patched, plain, patched):
        with pool.session() as models:
            answers.append(predicted(models, model))
    assert torch.equal(answers[0], answers[2]) and torch.equal(answers[1], answers[3])
    assert not torch.allclose(answers[0], answers[1])


def test_a_lora_for_which_memory_does_not_suffice_leaves_no_trace(pool, ref, tmp_path, hashes, monkeypatch):
    names = ("mid_block_attentions_0_proj_in", "mid_block_attentions_0_proj_out")
    tensors = {f"lora_unet_{name}.diff": torch.ones(64, 64, 1, 1) for name in names}
    save_file(tensors, tmp_path / "two.safetensors")
    patched = Model(ref).patched(LoraPatch(hashes.reference(tmp_path / "two.safetensors"), 1.0))
    with pool.session() as models:
        plain = predicted(models, Model(ref))
    put, made = Change.of_weight, list[str]()

    def full_at_the_second(change: Change, original: torch.Tensor) -> torch.Tensor | None:
        made.append("one")
        if len(made) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return put(change, original)

    monkeypatch.setattr(Change, "of_weight", full_at_the_second)
    with pytest.raises(torch.OutOfMemoryError), pool.session() as models:
        models.network(patched)
    with pool.session() as models:
        assert torch.equal(predicted(models, Model(ref)), plain)
        assert not torch.allclose(predicted(models, patched), plain)


def test_a_text_encoder_has_a_strength_of_its_own(pool, ref, lora):
    with pool.session() as models:
        plain = models.encode(Clip(ref), "a cat").context
    with pool.session() as models:
        none = models.encode(Clip(ref).patched(replace(lora, strength=0.0)), "a cat").context
    with pool.session() as models:
        full = models.encode(Clip(ref).patched(lora), "a cat").context
    assert torch.equal(plain, none) and not torch.allclose(plain, full)


def test_recipes_of_one_checkpoint_share_its_weights(pool, ref, lora):
    with pool.session() as models:
        models.network(Model(ref))
    size = pool.size
    with pool.session() as models:
        models.network(Model(ref).patched(lora))
    with pool.session() as models:
        models.network(Model(ref))
    assert pool.size == size


def test_two_recipes_at_once_do_not_disturb_each_other(pool, ref, lora):
    with pool.session() as models:
        plain, patched = models.network(Model(ref)), models.network(Model(ref).patched(lora))
        assert plain is not patched
        assert not torch.allclose(plain(LATENTS, TIMES, CONTEXT), patched(LATENTS, TIMES, CONTEXT))
        assert models.network(Model(ref)) is plain


def test_the_layer_of_a_recipe_is_read(pool, ref):
    with pool.session() as models:
        last, earlier = (models.encode(Clip(ref, last_layer=layer), "a cat").context for layer in (None, -2))
        beyond = models.encode(Clip(ref, last_layer=-24), "a cat").context
    assert not torch.allclose(last, earlier) and torch.equal(last, beyond)


def test_what_a_node_says_of_the_prediction_is_honoured(pool, ref):
    said = replace(Model(ref), settings=ModelSettings(parametrisation="v"))
    with pool.session() as models:
        assert models.network(Model(ref)).parametrisation is Parametrisation.EPS
        assert models.network(said).parametrisation is Parametrisation.V


def test_what_networks_give_may_be_changed_in_place_by_who_gets_it(pool, ref):
    with pool.session() as models:
        made = [predicted(models, Model(ref)), models.vae(Vae(ref)).decode(LATENTS)]
        made += [models.encode(Clip(ref), "a (cat:1.2)").context, models.vae(Vae(ref)).encode(made[1])]
    for tensor in made:
        tensor.mul_(2.0)
        assert not tensor.requires_grad and not tensor.is_inference()


def test_what_rested_longest_goes_first(placement, ref, control_file, hashes):
    sizes = {}
    for name, take in (("network", lambda m: m.network(Model(ref))), ("vae", lambda m: m.vae(Vae(ref)))):
        measured = Pool(placement, PLENTY)
        with measured.session() as models:
            take(models)
        sizes[name] = measured.size
    pool = Pool(placement, sizes["network"] + sizes["vae"])
    with pool.session() as models:
        network = models.network(Model(ref)).module
    with pool.session() as models:
        vae = models.vae(Vae(ref))
    with pool.session() as models:
        assert models.network(Model(ref)).module is network
    with pool.session() as models:
        net = ControlNet(hashes.reference(control_file))
        models.control(ControlUse(net, torch.zeros(1, 8, 8, 3)), models.network(Model(ref)))
    assert pool.size <= pool.budget
    with pool.session() as models:
        assert models.vae(Vae(ref)) is not vae


def test_what_is_in_use_stays_though_it_exceeds_the_budget(placement, ref):
    pool = Pool(placement, 1)
    with pool.session() as models:
        network = models.network(Model(ref))
        models.vae(Vae(ref))
        assert models.network(Model(ref)) is network
    assert pool.size == 0


def test_a_stop_is_heard_between_blocks(pool, ref, control_file, hashes):
    asked = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 5:
            raise Stop

    with pytest.raises(Stop), pool.session(check) as models:
        predicted(models, Model(ref))
    assert len(asked) == 5
    with pool.session() as models:
        predicted(models, Model(ref))
    assert len(asked) == 5


def test_emptying_waits_for_no_session_and_is_done_after_it(pool, ref):
    with pool.session() as models:
        models.network(Model(ref))
        thread = threading.Thread(target=pool.empty)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        predicted(models, Model(ref))
    assert pool.size == 0


def test_threads_take_turns(pool, ref, lora):
    recipes = [Model(ref), Model(ref).patched(lora)] * 3
    answers: dict[int, torch.Tensor] = {}

    def work(index: int) -> None:
        with pool.session() as models:
            answers[index] = predicted(models, recipes[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(recipes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(torch.equal(answers[index], answers[index % 2]) for index in range(len(recipes)))


def test_changes_that_fit_nothing_become_warnings(pool, ref, tmp_path, hashes):
    tensors = {
        "lora_unet_nowhere.lora_up.weight": torch.ones(2, 2),
        "lora_unet_nowhere.lora_down.weight": torch.zeros(2, 2),
    }
    save_file(tensors, tmp_path / "odd.safetensors")
    patch = LoraPatch(hashes.reference(tmp_path / "odd.safetensors"), 1.0)
    with pool.session() as models:
        models.network(Model(ref).patched(patch))
        assert "odd.safetensors is made for another kind of model: none of its 1" in models.warnings[0]


def test_a_picture_from_recipes_alone(pool, ref, control_file, hashes, lora):
    net = ControlNet(hashes.reference(control_file))
    use = ControlUse(net, torch.rand(1, 48, 64, 3, generator=torch.Generator().manual_seed(4)), 0.8)
    made = []
    for controls in ((), (use,), (use,)):
        with pool.session() as models:
            network = models.network(Model(ref).patched(lora))
            positive = Cond(models.encode(Clip(ref), "a cat").context, controls=controls)
            guided = Guided(network, (positive,), (Cond(CONTEXT, controls=controls),), 2.0, models.control)
            run = Run("euler", for_sampler("karras", "euler", network.levels, 3), seed=1)
            steps = list(sample(guided, Latent(torch.zeros(1, 4, 8, 8)), run))
            made.append(models.vae(Vae(ref)).decode(steps[-1].latents))
    assert made[0].shape == (1, 64, 64, 3)
    assert not torch.allclose(made[0], made[1]) and torch.equal(made[1], made[2])


def test_importing_all_nodes_imports_no_model_classes_and_no_compiler():
    heavy = ("diffusers", "transformers", "scipy", "torch._dynamo")
    code = f"import sys, nodes.builtin; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pool_says_what_it_holds_and_another_brings_it_back(pool, placement, ref, hashes):
    with pool.session() as models:
        models.network(Model(ref))
        models.vae(Vae(ref))
    assert len(pool.holdings()) == 2 and sum(pool.holdings().values()) == pool.size
    other = Pool(placement, PLENTY)
    for source in pool.sources():
        other.bring_back(source, hashes.reference)
    assert other.sources() == pool.sources()
    assert other.size == pool.size
