"""Both layouts of a model load to the same network; what a folder says is honoured."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion.denoiser import ControlNetwork, Network, Parametrisation, Residuals
from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable, DiffusionError, PartMissing
from nodes.diffusion.models.detect import Part, contents, is_model_folder
from nodes.diffusion.models.load import load_control, load_network, load_text, load_vae
from tests.diffusion.models import tiny

LATENTS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
TIMES = torch.tensor([10.0, 900.0])
CONTEXT = torch.randn(2, 77, tiny.CONTEXT, generator=torch.Generator().manual_seed(2))
HINT = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("source", ["model_file", "model_folder"])
def test_a_network_predicts_what_its_weights_do(source, request, placement):
    network = load_network(request.getfixturevalue(source), placement)
    assert isinstance(network, Network)
    expected = tiny.unet()(LATENTS, TIMES, CONTEXT).sample
    assert torch.equal(network(LATENTS, TIMES, CONTEXT), expected)


@pytest.mark.parametrize("source", ["model_file", "model_folder"])
def test_a_vae_decodes_and_encodes_what_its_weights_do(source, request, placement):
    vae, whole = load_vae(request.getfixturevalue(source), placement), tiny.vae()
    picture = HINT[:1].movedim(1, -1)
    assert torch.equal(vae.encode(picture), whole.encode(HINT[:1] * 2 - 1).latent_dist.mean)
    decoded = (whole.decode(LATENTS[:1]).sample + 1) / 2
    assert torch.equal(vae.decode(LATENTS[:1]), decoded.clamp(0, 1).movedim(1, -1))
    assert (vae.pixels, vae.channels) == (8, 4)


@pytest.mark.parametrize("source", ["model_file", "model_folder"])
def test_a_text_encoder_reads_what_its_weights_do(source, request, placement):
    encoder = load_text(request.getfixturevalue(source), placement).encoders["l"]
    ids = torch.tensor([[token.id for token in encoder.tokenizer.chunks("a cat")[0]]])
    made = tiny.text()(input_ids=ids)
    encoding = encoder.encode("a cat")
    assert torch.allclose(encoding.context, made.last_hidden_state, atol=1e-6)
    assert torch.allclose(encoding.pooled, made.pooler_output, atol=1e-6)


def test_a_control_network_loads_from_both_layouts(control_file, tmp_path, placement):
    tiny.control().save_pretrained(tmp_path / "folder")
    save_file(tiny.control().state_dict(), tmp_path / "diffusers.safetensors")
    down, middle = tiny.control()(LATENTS, TIMES, CONTEXT, HINT, return_dict=False)
    for path in (control_file, tmp_path / "folder", tmp_path / "diffusers.safetensors"):
        control = load_control(path, placement)
        assert isinstance(control, ControlNetwork)
        made = control(LATENTS, TIMES, CONTEXT, HINT)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(made.down, down, strict=True))
        assert torch.equal(made.middle, middle)


def test_residuals_change_what_a_network_predicts_and_none_do_not(model_file, control_file, placement):
    network, control = load_network(model_file, placement), load_control(control_file, placement)
    plain, added = network(LATENTS, TIMES, CONTEXT), control(LATENTS, TIMES, CONTEXT, HINT)
    nothing = Residuals([torch.zeros_like(part) for part in added.down], torch.zeros_like(added.middle))
    assert torch.equal(network(LATENTS, TIMES, CONTEXT, residuals=nothing), plain)
    assert not torch.allclose(network(LATENTS, TIMES, CONTEXT, residuals=added), plain)


def test_pooled_residuals_do_not_depend_on_places(control_file, placement, model_file):
    control = load_control(control_file, placement, pools=True)
    made = control(LATENTS, TIMES, CONTEXT, HINT)
    assert all(part.shape[2:] == (1, 1) for part in (*made.down, made.middle))
    load_network(model_file, placement)(LATENTS, TIMES, CONTEXT, residuals=made)


def test_a_folders_scheduler_is_honoured(model_folder, model_file, placement):
    of_folder, of_file = load_network(model_folder, placement), load_network(model_file, placement)
    assert of_folder.parametrisation is Parametrisation.V and of_file.parametrisation is Parametrisation.EPS
    assert of_folder.levels.maximum > 4000 and of_file.levels.maximum == pytest.approx(14.6146, abs=1e-3)


def test_a_file_flags_its_prediction(model_file, tmp_path, placement):
    from safetensors.torch import load_file

    flags = {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
    save_file(load_file(model_file) | flags, tmp_path / "v.safetensors")
    network = load_network(tmp_path / "v.safetensors", placement)
    assert network.parametrisation is Parametrisation.V and network.levels.maximum > 4000


def test_contents_are_told_without_loading(model_file, model_folder, control_file):
    whole = {Part.NETWORK, Part.TEXT, Part.VAE}
    assert contents(model_file) == whole and contents(model_folder) == whole
    assert contents(control_file) == {Part.CONTROL}
    assert is_model_folder(model_folder) and not is_model_folder(model_folder.parent)


def test_a_vae_of_its_own_loads_from_either_layout(tmp_path, placement):
    save_file(tiny.original_vae(""), tmp_path / "original.safetensors")
    save_file(tiny.vae().state_dict(), tmp_path / "diffusers.safetensors")
    one, other = (load_vae(tmp_path / f"{name}.safetensors", placement) for name in ("original", "diffusers"))
    assert torch.equal(one.decode(LATENTS), other.decode(LATENTS))


def test_a_vae_is_no_checkpoint(tmp_path, placement):
    save_file(tiny.original_vae(""), tmp_path / "original.safetensors")
    with pytest.raises(
        CheckpointUnknown, match=r"original\.safetensors is not .*holds a VAE.*Choose another"
    ):
        load_network(tmp_path / "original.safetensors", placement)


def test_an_unknown_family_is_named(tmp_path):
    name = "model.diffusion_model.txt_in.individual_token_refiner.blocks.0.norm1.weight"
    save_file({name: torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointUnknown, match="HunyuanVideo"):
        contents(tmp_path / "other.safetensors")


def test_a_file_that_lacks_tensors_is_refused(model_file, tmp_path, placement):
    from safetensors.torch import load_file

    state = load_file(model_file)
    state.pop("model.diffusion_model.middle_block.2.in_layers.2.weight")
    save_file(state, tmp_path / "holes.safetensors")
    with pytest.raises(CheckpointUnreadable, match=r"holes\.safetensors .*lacks 1 of"):
        load_network(tmp_path / "holes.safetensors", placement)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_folder_without_a_part_says_which(part, model_folder, tmp_path, placement):
    folder = tmp_path / "partly"
    shutil.copytree(model_folder, folder, ignore=shutil.ignore_patterns(part))
    load = {"unet": load_network, "vae": load_vae, "text_encoder": load_text}[part]
    with pytest.raises(PartMissing, match="partly holds no"):
        load(folder, placement)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("unet/config.json", {"_class_name": "FluxTransformer2DModel"}),
        ("unet/config.json", {"block_out_channels": [33, 65]}),
        ("unet/config.json", {"layers_per_block": 3}),
        ("scheduler/scheduler_config.json", {"prediction_type": "noise"}),
        ("scheduler/scheduler_config.json", {"beta_schedule": "cosine"}),
    ],
)
def test_settings_that_fit_nothing_are_refused(file, change, model_folder, tmp_path, placement):
    folder = tmp_path / "odd"
    shutil.copytree(model_folder, folder)
    said = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(said | change))
    with pytest.raises(DiffusionError):
        load_network(folder, placement)


def test_the_starter_model_draws_with_its_own_settings(placement):
    starter = Path(__file__).parents[3] / "nodes" / "starter" / "weft-starter-v0"
    network, encoder = load_network(starter, placement), load_text(starter, placement).encoders["l"]
    assert network.parametrisation is Parametrisation.V and network.latent_format.scale == 1.0
    encoding = encoder.encode("a red cat")
    assert encoding.context.shape[1:] == (77, 192)
    vocabulary = json.loads((starter / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    assert encoder.tokenizer.end == encoder.tokenizer.pad == vocabulary["<|endoftext|>"] != 49407
    assert network(LATENTS, TIMES, encoding.context.repeat(2, 1, 1)).isfinite().all()
