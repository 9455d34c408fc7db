"""How families that read a single language model read it: lengths, layers and the words around a prompt."""

from collections.abc import Mapping

from nodes.diffusion.text.language import LanguageKind

# As published with each model, in the form of its pipeline in diffusers.
QWEN_IMAGE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
HUNYUAN_VIDEO = (
    "<|start_header_id|>system<|end_header_id|>\n\nDescribe the video by detailing the following aspects: "
    "1. The main content and theme of the video."
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects."
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects."
    "4. background environment, light, style and atmosphere."
    "5. camera angles, movements, and transitions used in the video:<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
)
Z_IMAGE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"

LANGUAGE_KINDS: Mapping[str, LanguageKind] = {
    "pixart": LanguageKind(masked=True),
    "ltxv": LanguageKind(128, masked=True),
    "mochi": LanguageKind(256, masked=True),
    "cosmos": LanguageKind(512, masked=True, emptied=True),
    "wan": LanguageKind(512, masked=True, emptied=True),
    "auraflow": LanguageKind(256),
    "stable_audio": LanguageKind(128, masked=True, emptied=True),
    "lumina2": LanguageKind(layers=(-2,), masked=True),
    "qwen_image": LanguageKind(template=QWEN_IMAGE, dropped=34, masked=True),
    "hunyuan_video": LanguageKind(layers=(-3,), template=HUNYUAN_VIDEO, dropped=95, masked=True),
    "z_image": LanguageKind(layers=(-2,), template=Z_IMAGE, masked=True),
    "hidream": LanguageKind(layers=(), stacked=True, dropped=1),
}
