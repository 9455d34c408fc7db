"""GGUF networks that wait packed: the bytes of a run that unpacked them, in a fraction of the memory."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion.memory.budget import Budget, Step
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.files import ContentHashes, open_weights
from nodes.diffusion.models.load import load_network
from nodes.diffusion.models.waiting import Waiting, numbers
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import LoraPatch, Model
from tests.diffusion.models.test_gguf import packed, write
from tests.diffusion.models.test_transformer_forms import FILES, stored
from tests.diffusion.models.test_transformers import PLACEMENT, tiny_network
from tests.diffusion.models.transformers import some

TINY = next(case for case in FILES if case.name == "FLUX.1")
FLUX = replace(TINY, tiny={**TINY.tiny, "num_layers": 3, "num_single_layers": 6})
PLENTY = 10**9


def net(path, kind, case=FLUX):
    whole, _ = stored(case, tiny_network(case))
    return write(path, {name: packed(tensor, kind) for name, tensor in whole.items()})


def asked(pool, model, case=FLUX):
    latents, text = some(*case.latents), some(2, 5, case.text_width, seed=3)
    with torch.inference_mode(), pool.session(room=0) as models:
        network = models.network(model)
        return network(
            latents, network.levels.timestep(torch.full((2,), case.sigma)), text, inputs=case.inputs
        )


def narrow(size, host=None):
    return Pool(PLACEMENT, Budget(keep=PLENTY, device=size, host=host), Meter())


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_rows_of_a_packed_tensor_are_those_that_a_network_gets(case, tmp_path):
    """Fused, swapped and flat ones too."""
    kind = ("Q4_0", "Q8_0", "Q5_1")[FILES.index(case) % 3]
    path = net(tmp_path / "net.gguf", kind, case)
    whole = load_network(path, PLACEMENT).module.state_dict()
    module = load_network(path, replace(PLACEMENT, as_stored=True)).module
    waiting = {name: weight for name, weight in module.named_parameters() if isinstance(weight.data, Waiting)}
    assert waiting
    for name, weight in module.named_parameters():
        assert weight.shape == whole[name].shape
        assert torch.equal(weight * 1.0, whole[name]), name
        if name in waiting:
            assert torch.equal(numbers(weight.data), whole[name])


@pytest.mark.parametrize("host", [None, 0])
def test_a_packed_network_in_a_third_of_its_weights_gives_equal_bytes_and_stays_packed(host, tmp_path):
    path = net(tmp_path / "net.gguf", "Q4_0")
    model, plenty = Model(ContentHashes().reference(path)), Pool(PLACEMENT, PLENTY)
    expected = asked(plenty, model)
    pool = narrow(plenty.size // 2, host)
    for _ in range(2):
        assert torch.equal(asked(pool, model), expected)
    (kept,) = pool.house.kept.values()
    assert kept.residence.step is (Step.BLOCKS if host is None else Step.DISK)
    homes = [owned.weight.data for block in kept.streamed.blocks for owned in block.weights]
    heavy = [home for home in homes if home.ndim == 2]
    assert heavy and all(isinstance(home, Waiting) for home in heavy)
    assert kept.residence.held < plenty.size // 2 and pool.house.meter.now <= kept.residence.held


def test_a_lora_on_a_packed_network_unpacks_its_own_layers_and_gives_them_back(tmp_path):
    path = net(tmp_path / "net.gguf", "Q8_0")
    model, plenty = Model(ContentHashes().reference(path)), Pool(PLACEMENT, PLENTY)
    rows, width = open_weights(path).shapes["double_blocks.0.img_attn.qkv.weight"]
    name, chance = "lora_unet_double_blocks_0_img_attn_qkv", torch.Generator().manual_seed(1)
    up, down = torch.randn(rows, 2, generator=chance), torch.randn(2, width, generator=chance)
    save_file({f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}, tmp_path / "a.safetensors")
    patched = model.patched(LoraPatch(ContentHashes().reference(tmp_path / "a.safetensors"), 0.5))
    plain, changed = asked(plenty, model), asked(plenty, patched)
    assert not torch.equal(plain, changed)
    pool = narrow(plenty.size // 2)
    for wanted, expected in ((model, plain), (patched, changed), (model, plain)):
        assert torch.equal(asked(pool, wanted), expected)
        (kept,) = pool.house.kept.values()
        loose = [name for name, weight in kept.module.named_parameters()
                 if weight.ndim == 2 and "transformer_blocks" in name and not isinstance(weight.data, Waiting)]  # fmt: skip
        parts = [f"transformer_blocks.0.attn.to_{part}.weight" for part in "qkv"]
        staying = [name for name in loose if name in parts]
        assert sorted(staying) == (sorted(parts) if wanted is patched else [])


def test_a_network_in_shards_comes_in_blocks_with_equal_bytes(tmp_path):
    whole, _ = stored(FLUX, tiny_network(FLUX))
    for number, names in enumerate((sorted(whole)[::2], sorted(whole)[1::2]), 1):
        part = {name: whole[name].half() for name in names}
        save_file(part, tmp_path / f"net-0000{number}-of-00002.safetensors")
    model = Model(ContentHashes().reference(tmp_path / "net-00001-of-00002.safetensors"))
    plenty = Pool(PLACEMENT, PLENTY)
    expected = asked(plenty, model)
    for host in (None, 0):
        pool = narrow(plenty.size // 2, host)
        assert torch.equal(asked(pool, model), expected)
        (kept,) = pool.house.kept.values()
        assert kept.residence.step is (Step.BLOCKS if host is None else Step.DISK)
