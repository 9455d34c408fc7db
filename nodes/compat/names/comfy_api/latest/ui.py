"""`comfy_api.latest.ui`: what a node shows. `as_dict` is what clients get."""

import json
import secrets
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.compat.names import folder_paths, nodes_face
from nodes.compat.names.comfy_api.latest.options import FolderType


class SavedResult(dict):
    def __init__(self, filename, subfolder, type):
        super().__init__(filename=filename, subfolder=subfolder, type=getattr(type, "value", type))

    filename = property(lambda self: self["filename"])
    subfolder = property(lambda self: self["subfolder"])
    type = property(lambda self: self["type"])


class _Shown:
    def as_dict(self):
        raise NotImplementedError


class SavedImages(_Shown):
    def __init__(self, results, is_animated=False):
        self.results, self.is_animated = results, is_animated

    def as_dict(self):
        animated = {"animated": (True,)} if self.is_animated else {}
        return {"images": self.results, **animated}


class SavedAudios(_Shown):
    def __init__(self, results):
        self.results = results

    def as_dict(self):
        return {"audio": self.results}


class PreviewAudio(_Shown):
    """A sound to be heard on the node, as the built-in node of that name saves it."""

    def __init__(self, audio, cls=None, **_more):
        saver = nodes_face.NODE_CLASS_MAPPINGS["PreviewAudio"]
        self.values = saver.execute(audio=audio)["ui"]["audio"]

    def as_dict(self):
        return {"audio": self.values}


class PreviewVideo(_Shown):
    def __init__(self, values, **_more):
        self.values = values

    def as_dict(self):
        return {"images": self.values, "animated": (True,)}


class PreviewText(_Shown):
    def __init__(self, value, **_more):
        self.value = value

    def as_dict(self):
        return {"text": (self.value,)}


class ImageSaveHelper:
    """Saves pictures [batch, height, width, channel] from 0 to 1."""

    @staticmethod
    def save_images(images, filename_prefix, folder_type, cls=None, compress_level=4):
        kind = getattr(folder_type, "value", folder_type)
        root = folder_paths.get_directory_by_type(kind)
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, root, images[0].shape[1], images[0].shape[0]
        )
        results = []
        for index, image in enumerate(images):
            pixels = (255.0 * image.detach().cpu().numpy()).clip(0, 255).astype(np.uint8)
            file = f"{name.replace('%batch_num%', str(index))}_{counter + index:05}_.png"
            picture = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
            picture.save(Path(folder) / file, pnginfo=_told(cls), compress_level=compress_level)
            results.append(SavedResult(file, subfolder, kind))
        return results


class PreviewImage(_Shown):
    def __init__(self, image, animated=False, cls=None, **_more):
        prefix = f"weft_temp_{secrets.token_hex(4)}"
        self.values = ImageSaveHelper.save_images(image, prefix, FolderType.temp, cls, 1)
        self.animated = animated

    def as_dict(self):
        return {"images": self.values, "animated": (self.animated,)}


class PreviewMask(PreviewImage):
    def __init__(self, mask, animated=False, cls=None, **more):
        flat = mask.reshape((-1, 1, mask.shape[-2], mask.shape[-1]))
        super().__init__(torch.movedim(flat, 1, -1).expand(-1, -1, -1, 3), animated, cls, **more)


def _told(cls):
    """The prompt and what lies beside it, where the class asks for them."""
    hidden = getattr(cls, "hidden", None)
    if hidden is None or (hidden.prompt is None and hidden.extra_pnginfo is None):
        return None
    told = PngInfo()
    if hidden.prompt is not None:
        told.add_text("prompt", json.dumps(hidden.prompt))
    for name, value in (hidden.extra_pnginfo or {}).items():
        told.add_text(name, json.dumps(value))
    return told
