"""Learned embeddings (Gal et al. 2022, arXiv:2208.01618): files that hold the vectors of one name."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.files import open_weights

PLAIN = "emb_params"  # the tensor's name in files for one encoder
OF_ENCODER: Mapping[str, tuple[str, ...]] = {  # in files for several
    "l": ("clip_l", "text_encoders_0"),
    "g": ("clip_g", "text_encoders_1"),
    "h": ("clip_h",),
    "t5xxl": ("t5xxl", "t5"),
}
NAMED = frozenset(name for names in OF_ENCODER.values() for name in names)


def read_embedding(path: Path, encoder: str) -> Tensor:
    """The vectors of a file, Float[token feature], for an encoder by its name ("l", "g", "t5xxl"...).

    A file of one tensor is for any encoder: whether its width fits is for the encoder to see. One that names encoders
    ("clip_l", "clip_g", "t5xxl") is for those.

    Raises:
        CheckpointMissing, CheckpointUnreadable: as `open_weights`.
        CheckpointUnknown: it holds nothing that can be vectors of a prompt.
    """
    weights = open_weights(path)
    wanted = OF_ENCODER.get(encoder, (encoder,))
    flat = [name for name, shape in weights.shapes.items() if 1 <= len(shape) <= 2]
    if not flat:
        raise CheckpointUnknown(path, "an embedding", "it holds no vectors")
    name = next((name for name in (*wanted, PLAIN) if name in flat), None)
    others = sorted(NAMED.intersection(flat))
    if name is None and others:
        what = f"it holds vectors for {' and '.join(others)}, none for {wanted[0]}"
        raise CheckpointUnknown(path, f"an embedding for the encoder {wanted[0]}", what)
    name = flat[0] if name is None else name
    vectors = weights.tensors([name])[name].float()
    return vectors.reshape(-1, vectors.shape[-1])
