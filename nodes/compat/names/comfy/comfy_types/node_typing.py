"""`comfy.comfy_types.node_typing`: names of types that compare as the field's do."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, TypedDict

NAMES = """STRING IMAGE MASK LATENT BOOLEAN INT FLOAT COMBO CONDITIONING SAMPLER SIGMAS GUIDER NOISE CLIP
    CONTROL_NET VAE MODEL LORA_MODEL LOSS_MAP CLIP_VISION CLIP_VISION_OUTPUT STYLE_MODEL GLIGEN
    UPSCALE_MODEL AUDIO VIDEO WEBCAM POINT FACE_ANALYSIS BBOX SEGS"""


class _Name(StrEnum):
    """`!=` is False against "*", and where one set of names holds the other."""

    def __ne__(self, value):
        if "*" in (self.value, value):
            return False
        if not isinstance(value, str):
            return True
        one, two = (set(each.split(",")) for each in (self.value, value))
        return not (one <= two or two <= one)

    def __eq__(self, value):
        return str.__eq__(self, value)

    __hash__ = str.__hash__


IO = _Name(
    "IO",
    {
        **{name: name for name in NAMES.split()},
        "ANY": "*",
        "NUMBER": "FLOAT,INT",
        "PRIMITIVE": "STRING,FLOAT,INT,BOOLEAN",
    },
)


class RemoteInputOptions(TypedDict, total=False):
    route: str
    refresh_button: bool
    control_after_refresh: str
    timeout: int
    max_retries: int
    refresh: int


InputTypeOptions = dict[str, Any]


class HiddenInputTypeDict(TypedDict, total=False):
    node_id: str
    unique_id: str
    prompt: str
    extra_pnginfo: str
    dynprompt: str


class InputTypeDict(TypedDict, total=False):
    required: dict[str, Any]
    optional: dict[str, Any]
    hidden: dict[str, Any]


class ComfyNodeABC(ABC):
    DESCRIPTION: str
    CATEGORY: str
    EXPERIMENTAL: bool
    DEPRECATED: bool
    INPUT_IS_LIST: bool
    OUTPUT_NODE: bool
    OUTPUT_IS_LIST: tuple[bool, ...]
    RETURN_TYPES: tuple[Any, ...]
    RETURN_NAMES: tuple[str, ...]
    OUTPUT_TOOLTIPS: tuple[str, ...]
    FUNCTION: str

    @classmethod
    @abstractmethod
    def INPUT_TYPES(cls):
        return {"required": {}}


class CheckLazyMixin:
    """Every lazy input that is not there yet is needed."""

    def check_lazy_status(self, **kwargs):
        return [name for name, value in kwargs.items() if value is None]


class FileLocator(TypedDict):
    filename: str
    subfolder: str
    type: str
