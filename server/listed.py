"""Folder keys of what is no model, and which files of the place a list offers under each."""

from collections.abc import Mapping

from nodes.spec import Place

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
SOUNDS = frozenset(
    {
        ".wav",
        ".flac",
        ".mp3",
        ".ogg",
        ".oga",
        ".opus",
        ".m4a",
        ".aac",
        ".aif",
        ".aiff",
        ".wma",
        ".mka",
        ".weba",
    }
)
FILMS = frozenset(
    {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv", ".3gp"}
)
LISTED: Mapping[str, tuple[Place, frozenset[str]]] = {
    **{place.value: (place, PICTURES) for place in Place},
    "input_latents": (Place.INPUT, frozenset({".latent"})),
    "input_audio": (Place.INPUT, SOUNDS | FILMS),  # films have sound
    "input_video": (Place.INPUT, FILMS),
}
