"""Control networks of files: those that are half a U-Net, T2I adapters, low-rank differences, those of transformers."""

from pathlib import Path

from nodes.diffusion.models.controls.adapters import load_adapter
from nodes.diffusion.models.controls.blockwise import load_blockwise
from nodes.diffusion.models.controls.company import Company, ControlFile, UnetControl
from nodes.diffusion.models.controls.low_rank import (
    DIFFERENCE,
    LOW_RANK,
    DifferentControl,
    load_low_rank,
)
from nodes.diffusion.models.controls.transformers import load_transformer_control
from nodes.diffusion.models.controls.xs import load_xs
from nodes.diffusion.models.controls.z_image import load_z_image
from nodes.diffusion.models.detect import Layout, Part, find_part
from nodes.diffusion.models.files import folder_weights, read_json
from nodes.diffusion.models.load import Placement, load_control

__all__ = ["Company", "ControlFile", "load_control_file"]


def load_control_file(path: Path, placement: Placement) -> ControlFile:
    """The control network of a file, or of a folder of diffusers, whatever its kind. Errors as `load_network`."""
    if path.is_dir():
        return _of_folder(path, placement)
    found = find_part(path, Part.CONTROL)
    if LOW_RANK in found.weights.shapes:
        return load_low_rank(found.weights, placement)
    if DIFFERENCE in found.weights.shapes:
        return DifferentControl(load_control(path, placement))
    match found.layout:
        case Layout.BLOCKS:
            return load_transformer_control(found.weights, found.prefix, placement)
        case Layout.XS:
            beside = path.with_name("config.json")
            return load_xs(found.weights, placement, read_json(beside) if beside.is_file() else None)
        case Layout.BLOCKWISE:
            return load_blockwise(found.weights, placement)
        case Layout.Z_IMAGE:
            return load_z_image(found.weights, placement)
        case Layout.ADAPTER:
            return load_adapter(found.weights, found.prefix, placement)
        case _:
            return UnetControl(load_control(path, placement))


def _of_folder(path: Path, placement: Placement) -> ControlFile:
    said = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    match said.get("_class_name"):
        case "T2IAdapter":
            return load_adapter(folder_weights(path), "adapter.", placement, said)
        case "ControlNetXSAdapter":
            return load_xs(folder_weights(path), placement, said)
        case "ZImageControlNetModel":
            return load_z_image(folder_weights(path), placement, said)
        case "SD3ControlNetModel" | "FluxControlNetModel" | "QwenImageControlNetModel":
            return load_transformer_control(folder_weights(path), "", placement, said)
        case _:
            return UnetControl(load_control(path, placement))
