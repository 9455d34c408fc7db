"""SaveImage and PreviewImage as packs derive from them: what an object of theirs sets on itself decides where files go."""

import json
import secrets
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.compat.names import folder_paths


class SaveImage:
    """Saves pictures into the output folder."""

    RETURN_TYPES = ()
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"

    def __init__(self) -> None:
        self.output_dir: str = folder_paths.get_output_directory()
        self.type = "output"
        self.prefix_append = ""
        self.compress_level = 4

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - the protocol's name
        """What the field's node takes."""
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save_images(
        self, images: Any, filename_prefix: str = "ComfyUI", prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        """Write each picture of [batch height width channel], from 0 to 1, as a PNG with the prompt in it."""
        first = images[0]
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix + self.prefix_append, self.output_dir, first.shape[1], first.shape[0]
        )
        told = _told(prompt, extra_pnginfo)
        saved: list[dict[str, str]] = []
        for index, image in enumerate(images):
            pixels = (255.0 * image.cpu().numpy()).clip(0, 255).astype(np.uint8)
            picture = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
            file = f"{name.replace('%batch_num%', str(index))}_{counter + index:05}_.png"
            picture.save(f"{folder}/{file}", pnginfo=told, compress_level=self.compress_level)
            saved.append({"filename": file, "subfolder": subfolder, "type": self.type})
        return {"ui": {"images": saved}, "result": (images,)}


class PreviewImage(SaveImage):
    """Shows pictures: they lie in the temporary folder."""

    def __init__(self) -> None:
        super().__init__()
        self.output_dir = folder_paths.get_temp_directory()
        self.type = "temp"
        self.prefix_append = f"_temp_{secrets.token_hex(3)}"
        self.compress_level = 1

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - the protocol's name
        """What the field's node takes."""
        return {
            "required": {"images": ("IMAGE",)},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }


def _told(prompt: Any, extra: Any) -> PngInfo:
    told = PngInfo()
    if prompt is not None:
        told.add_text("prompt", json.dumps(prompt))
    for name, value in (extra or {}).items():
        told.add_text(name, json.dumps(value))
    return told


SAVING = {"SaveImage": SaveImage, "PreviewImage": PreviewImage}
