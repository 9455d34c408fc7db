"""Savers beyond Stable Diffusion 1 and XL: whole checkpoints of 2 and the refiner, encoders and VAEs of other kinds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.spec import Place
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.builtin.test_model_files import run
from tests.diffusion.models import tiny
from tests.diffusion.models.test_autoencoders import AutoencoderKLWan, flux2, in_wans_names, saved, wan
from tests.diffusion.models.test_text_families import clip, opened, plain, spiece, t5
from tests.diffusion.models.test_unet_families import CASES, original

CPU = torch.device("cpu")


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    workspace = Workspace(tmp_path)
    for folder in ("checkpoints", "text_encoders", "vae"):
        (workspace.models / folder).mkdir(parents=True, exist_ok=True)
    pool = Pool(Placement(CPU, torch.float32, torch.float32), 10**9)
    return Surroundings(workspace, {Pool: pool, ContentHashes: ContentHashes()}, previews=False)


def unlike(made: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that are missing, too many, or not the same to the last bit."""
    odd = {name for name in made.keys() & wanted.keys() if made[name].dtype != wanted[name].dtype}
    odd |= {name for name in made.keys() & wanted.keys() if not torch.equal(made[name], wanted[name])}
    return sorted(odd | (made.keys() ^ wanted.keys()))


def output(ctx: Surroundings, name: str) -> dict[str, Tensor]:
    return load_file(ctx.files.place(Place.OUTPUT) / f"{name}_00001_.safetensors")


@pytest.mark.parametrize(
    ("name", "layers", "before"),
    [("SD2", 23, "cond_stage_model.model."), ("refiner", 32, "conditioner.embedders.0.model.")],
)
def test_a_whole_checkpoint_is_saved_as_its_family_was_published(
    ctx: Surroundings, name: str, layers: int, before: str
):
    case = CASES[name]
    state = {key: part.half() for key, part in original(case, tiny.seeded(case.unet())).items()}
    state |= tiny.original_vae("first_stage_model.") | opened(clip(layers, "gelu", 3), before)
    save_file(state, ctx.files.models / "checkpoints" / "whole.safetensors")
    model, text, vae = run(ctx, "CheckpointLoaderSimple", ckpt_name="whole.safetensors")
    run(ctx, "CheckpointSave", model=model, clip=text, vae=vae, filename_prefix="whole")
    assert unlike(output(ctx, "whole"), state) == []


def test_each_of_several_encoders_gets_a_file_of_its_own(ctx: Surroundings):
    folder = ctx.files.models / "text_encoders"
    small = {name: part.half() for name, part in plain(clip(2, "quick_gelu", 1), "").items()}
    words = {name: part for name, part in plain(t5(), "").items() if name != "encoder.embed_tokens.weight"}
    (folder / "t5").mkdir()
    (folder / "t5" / "spiece.model").write_bytes(spiece())
    save_file(small, folder / "l.safetensors")
    save_file(words, folder / "t5.safetensors")
    both = run(ctx, "DualCLIPLoader", clip_name1="l.safetensors", clip_name2="t5.safetensors", type="flux")
    run(ctx, "CLIPSave", clip=both, filename_prefix="text")
    assert unlike(output(ctx, "text_t5xxl"), words) == []
    nested = {
        name if "projection" in name else f"text_model.{name.removeprefix('text_model.')}": part
        for name, part in small.items()
    }
    assert unlike(output(ctx, "text_clip_l"), nested) == []


def sixteen() -> Any:
    """An autoencoder as FLUX.1 and Stable Diffusion 3 have it: 16 channels, nothing between its halves."""
    made = AutoencoderKL(
        **tiny.VAE | {"latent_channels": 16}, use_quant_conv=False, use_post_quant_conv=False
    )
    return tiny.seeded(made)


@pytest.mark.parametrize("name", ["16 channels", "Wan 2.1", "FLUX.2"])
def test_autoencoders_of_every_class_are_saved_and_load_again(ctx: Surroundings, name: str):
    """Under the names that files of their family have; what is loaded again decodes to the same bits."""
    folder = ctx.files.models / "vae"
    if name == "Wan 2.1":
        saved(wan(AutoencoderKLWan), folder / "one.safetensors", in_wans_names)
    else:
        saved(flux2() if name == "FLUX.2" else sixteen(), folder / "one.safetensors")
    vae = run(ctx, "VAELoader", vae_name="one.safetensors")
    run(ctx, "VAESave", vae=vae, filename_prefix="vae")
    (ctx.files.place(Place.OUTPUT) / "vae_00001_.safetensors").rename(folder / "again.safetensors")
    again = run(ctx, "VAELoader", vae_name="again.safetensors")
    with ctx.resource(Pool).session() as models:
        one, other = (models.vae(each) for each in (vae, again))
        assert type(one.module) is type(other.module)  # type: ignore[union-attr]
        assert unlike(one.module.state_dict(), other.module.state_dict()) == []  # type: ignore[union-attr]
    if name == "16 channels":
        made = load_file(folder / "again.safetensors")
        assert "decoder.mid.block_1.conv1.weight" in made, "the original layout"
