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
HUNYUAN_IMAGE = QWEN_IMAGE.removesuffix("\n<|im_start|>assistant\n")
QWEN_IMAGE_EDIT = (
    "<|im_start|>system\nDescribe the key features of the input image (color, shape, size, texture, objects, background), "
    "then explain how the user's text instruction should alter or modify the image. Generate a new image that meets the "
    "user's requirements while maintaining consistency with the original input where appropriate.<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
HUNYUAN_VIDEO_15 = (
    "<|im_start|>system\nYou are a helpful assistant. Describe the video by detailing the following aspects:         "
    "1. The main content and theme of the video.         "
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects.         "
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects.         "
    "4. background environment, light, style and atmosphere.         "
    "5. camera angles, movements, and transitions used in the video.<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
KANDINSKY_5 = (
    "<|im_start|>system\nYou are a prompt engineer. Describe the video in detail.\n"
    "Describe how the camera moves or shakes, describe the zoom and view angle, whether it follows the objects.\n"
    "Describe the location of the video, main characters or objects and their action.\n"
    "Describe the dynamism of the video and presented actions.\n"
    "Name the visual style of the video: whether it is a professional footage, user generated content, some kind of "
    "animation, video game or scren content.\n"
    "Describe the visual effects, postprocessing and transitions if they are presented in the video.\n"
    "Pay attention to the order of key actions shown in the scene.<|im_end|>\n<|im_start|>user\n{}<|im_end|>"
)
KANDINSKY_5_IMAGE = (
    "<|im_start|>system\nYou are a prompt engineer. Describe the image by detailing the color, shape, size, texture, "
    "quantity, text, spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>"
)
FLUX_2 = (
    "[SYSTEM_PROMPT]You are an AI that reasons about image descriptions. You give structured responses focusing on object "
    "relationships, object\nattribution and actions without speculation.[/SYSTEM_PROMPT][INST]{}[/INST]"
)
OVIS = (
    "<|im_start|>user\nDescribe the image by detailing the color, quantity, text, shape, size, texture, spatial "
    "relationships of the objects and background: {}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
KLEIN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
HUNYUAN_VIDEO_I2V = (
    "<|start_header_id|>system<|end_header_id|>\n\n<image>\nDescribe the video by detailing the following aspects "
    "according to the reference image: 1. The main content and theme of the video."
    "2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects."
    "3. Actions, events, behaviors temporal relationships, physical movement changes of the objects."
    "4. background environment, light, style and atmosphere."
    "5. camera angles, movements, and transitions used in the video:<|eot_id|>\n\n"
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
Z_IMAGE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"

LANGUAGE_KINDS: Mapping[str, LanguageKind] = {
    "pixart": LanguageKind(masked=True),
    "ltxv": LanguageKind(128, masked=True),
    "mochi": LanguageKind(256, masked=True),
    "cosmos": LanguageKind(512, masked=True, emptied=True),
    "wan": LanguageKind(512, masked=True, emptied=True),
    "auraflow": LanguageKind(256, masked=True, emptied=True),
    "stable_audio": LanguageKind(128, masked=True, emptied=True),
    "lumina2": LanguageKind(layers=(-2,), masked=True),
    "qwen_image": LanguageKind(template=QWEN_IMAGE, dropped=34, masked=True),
    "qwen_image_edit": LanguageKind(template=QWEN_IMAGE_EDIT, dropped=64, masked=True),
    "hunyuan_image": LanguageKind(layers=(-3,), template=HUNYUAN_IMAGE, dropped=34, masked=True),
    "hunyuan_video_15": LanguageKind(layers=(-3,), template=HUNYUAN_VIDEO_15, dropped=108, masked=True),
    "glyphs": LanguageKind(masked=True),
    "kandinsky5": LanguageKind(template=KANDINSKY_5, dropped=128, masked=True),
    "kandinsky5_image": LanguageKind(template=KANDINSKY_5_IMAGE, dropped=40, masked=True),
    "hunyuan_video_i2v": LanguageKind(layers=(-3,), template=HUNYUAN_VIDEO_I2V),
    # Filled up on the left, as the tokenizer does that was published with it.
    "flux2": LanguageKind(512, (10, 20, 30), template=FLUX_2, masked=True, left=True),
    "klein": LanguageKind(512, (9, 18, 27), template=KLEIN, masked=True),
    "ovis": LanguageKind(256 + 28, template=OVIS, dropped=28, masked=True, emptied=True),
    "hunyuan_video": LanguageKind(layers=(-3,), template=HUNYUAN_VIDEO, dropped=95, masked=True),
    "hunyuan_dit": LanguageKind(77, masked=True, most=77),
    "hunyuan_dit_t5": LanguageKind(256, masked=True, most=256),
    "z_image": LanguageKind(layers=(-2,), template=Z_IMAGE, masked=True),
    "hidream": LanguageKind(layers=(), stacked=True, dropped=1),
}
