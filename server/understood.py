"""What the server understands, as clients are told."""

from nodes.spec import Json
from server.api.websocket import FLAG
from server.config import Config


def features(config: Config) -> dict[str, Json]:
    """What the server understands, as clients are told."""
    return {
        "supports_preview_metadata": True,
        "supports_progress_text_metadata": True,
        "node_replacements": True,
        FLAG: True,
        "max_upload_size": config.max_upload,
        "extension": {"manager": {"supports_v4": False}},
        **config.features,
    }
