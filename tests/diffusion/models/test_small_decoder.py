"""Small decoders for previews: the same pictures as diffusers' class makes of the same weights, in both layouts."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.small_decoder import DIFFUSERS, load_small_decoder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny():
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    torch.manual_seed(0)
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8), latent_channels=4
    ).eval()


def makers(tiny: torch.nn.Module) -> dict[str, Tensor]:
    """The decoder's weights as its maker names them: counted from 1."""
    named = {
        name.removeprefix(DIFFUSERS): tensor
        for name, tensor in tiny.state_dict().items()
        if name.startswith(DIFFUSERS)
    }
    return {
        f"{int(name.partition('.')[0]) + 1}.{name.partition('.')[2]}": tensor.contiguous()
        for name, tensor in named.items()
    }


@pytest.mark.parametrize("layout", ["its maker's", "diffusers'"])
def test_a_small_decoder_decodes_as_diffusers_does(tiny, tmp_path: Path, layout: str):
    path = tmp_path / "taesd_decoder.safetensors"
    save_file(makers(tiny) if layout == "its maker's" else tiny.state_dict(), path)
    decoder = load_small_decoder(path, CPU)
    latents = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(1)) * 2
    with torch.no_grad():
        wanted = (tiny.decode(latents).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    made = decoder.decode(latents)
    assert made.shape == (1, 40, 48, 3)
    assert torch.allclose(made, wanted, atol=1e-5)
    assert decoder.channels == 4


def test_another_file_is_refused_with_what_to_do(tmp_path: Path):
    path = tmp_path / "taesd_decoder.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointUnreadable, match="no small decoder"):
        load_small_decoder(path, CPU)
