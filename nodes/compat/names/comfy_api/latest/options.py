"""`comfy_api.latest.io`: the small words of schemas."""

from enum import Enum, StrEnum


class Hidden(StrEnum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"  # noqa: S105 - the name of an input
    api_key_comfy_org = "API_KEY_COMFY_ORG"
    comfy_usage_source = "COMFY_USAGE_SOURCE"


class FolderType(StrEnum):
    input = "input"
    output = "output"
    temp = "temp"


class UploadType(StrEnum):
    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class NumberDisplay(StrEnum):
    number = "number"
    slider = "slider"
    gradient_slider = "gradientslider"
    knob = "knob"
    color = "color"


class ControlAfterGenerate(StrEnum):
    fixed = "fixed"
    increment = "increment"
    decrement = "decrement"
    randomize = "randomize"


class RemoteOptions:
    def __init__(
        self,
        route,
        refresh_button,
        control_after_refresh="first",
        timeout=None,
        max_retries=None,
        refresh=None,
    ):
        self.said = {
            "route": route,
            "refresh_button": refresh_button,
            "control_after_refresh": control_after_refresh,
            "timeout": timeout,
            "max_retries": max_retries,
            "refresh": refresh,
        }

    def as_dict(self):
        return said(**self.said)


def said(**options):
    """The options that are set, enums as their values."""
    return {
        name: option.value if isinstance(option, Enum) else option
        for name, option in options.items()
        if option is not None
    }
