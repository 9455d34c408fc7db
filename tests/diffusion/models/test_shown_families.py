"""The model browser names a file's family by its header alone, as the loader finds it, in every layout and in GGUF."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from server import gguf_header
from server.model_facts import facts
from tests.diffusion.models.test_transformer_forms import FILES, stored
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import Case

SHORTER = {"Lumina-Image 2": "Lumina 2"}


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_a_familys_files_are_named_in_both_layouts_and_in_gguf(case: Case, tmp_path: Path):
    gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
    module = tiny_network(case)
    whole, _ = stored(case, module)
    save_file(
        {name: tensor.contiguous() for name, tensor in module.state_dict().items()},
        tmp_path / "a.safetensors",
    )
    save_file(
        {f"model.diffusion_model.{name}": tensor for name, tensor in whole.items()},
        tmp_path / "b.safetensors",
    )
    writer = gguf.GGUFWriter(tmp_path / "c.gguf", "any")
    for name, tensor in whole.items():
        writer.add_tensor(name, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shown = {path.name: facts(path).family for path in sorted(tmp_path.iterdir())}
    assert shown == dict.fromkeys(
        ("a.safetensors", "b.safetensors", "c.gguf"), SHORTER.get(case.name, case.name)
    )
    shapes, _ = gguf_header.read(tmp_path / "c.gguf")
    assert shapes == {name: list(tensor.shape) for name, tensor in whole.items()}


def test_a_text_encoder_in_gguf_is_named_by_its_architecture_and_damaged_files_by_nothing(tmp_path: Path):
    gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
    path = tmp_path / "t5.gguf"
    writer = gguf.GGUFWriter(path, "t5encoder")
    writer.add_name("A reader")
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_tensor("token_embd.weight", np.zeros((2, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert facts(path).family == "T5"
    whole = path.read_bytes()
    assert gguf_header.read(path)[0] == {"token_embd.weight": [2, 4]}
    for end in range(0, 180, 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"GGUF|header"):
            gguf_header.read(path)
        assert facts(path).family in (None, "T5")
