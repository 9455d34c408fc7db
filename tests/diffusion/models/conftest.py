"""The tiny model's files, made once."""

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from tests.diffusion.models import tiny


@pytest.fixture(scope="session")
def placement() -> Placement:
    return Placement(torch.device("cpu"), torch.float32, torch.float32)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.original_file(tmp_path_factory.mktemp("files") / "tiny.safetensors")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    said = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    return tiny.folder(tmp_path_factory.mktemp("folders") / "tiny", said)


@pytest.fixture(scope="session")
def control_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.original_control(tmp_path_factory.mktemp("controls") / "tiny_control.safetensors")


@pytest.fixture(scope="session")
def hashes() -> ContentHashes:
    return ContentHashes()
