"""Learned embeddings (Gal et al. 2022, arXiv:2208.01618): files that hold the vectors of one name."""

from pathlib import Path

from torch import Tensor

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.files import open_weights

PLAIN = "emb_params"  # the tensor's name in files for one encoder
OF_ENCODER = {"l": "clip_l", "g": "clip_g", "h": "clip_h"}  # in files for several


def read_embedding(path: Path, encoder: str) -> Tensor:
    """The vectors of a file, Float[token feature], for an encoder by its name ("l", "g", "t5xxl"...).

    A file of one tensor is for any encoder: whether its width fits is for the encoder to see.

    Raises:
        CheckpointMissing, CheckpointUnreadable: as `open_weights`.
        CheckpointUnknown: it holds nothing that can be vectors of a prompt.
    """
    weights = open_weights(path)
    wanted = OF_ENCODER.get(encoder, encoder)
    flat = [name for name, shape in weights.shapes.items() if 1 <= len(shape) <= 2]
    if not flat:
        raise CheckpointUnknown(path, "an embedding", "it holds no vectors")
    name = next((name for name in (wanted, PLAIN) if name in flat), flat[0])
    vectors = weights.tensors([name])[name].float()
    return vectors.reshape(-1, vectors.shape[-1])
