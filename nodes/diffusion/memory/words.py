"""What is said of memory, in words for the person at the canvas."""

from pathlib import Path

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.detect import Part

HINTS = {
    Part.NETWORK: "Load it in eight bits (weight_dtype fp8 of Load Diffusion Model), make a smaller picture, or choose a "
    "smaller model; close other programs that use the device.",
    Part.VAE: "Use VAE Decode (Tiled), or close other programs that use the device.",
}
HINT = "Close other programs that use the device, or choose a smaller model."


def readable(count: int) -> str:
    """Bytes for people: 14.2 GB."""
    if count >= 10**9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 10**6 else f"{count / 1e3:.0f} kB"


def too_little(part: Part, path: Path, more: str = "") -> DiffusionError:
    """There is no room for a part."""
    said = f"There is too little memory for the {part.value} of {path.name}.{more}"
    return DiffusionError(said, HINTS.get(part, HINT))
