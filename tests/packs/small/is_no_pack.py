"""Neither mappings nor an entrypoint: reported, and what it did at import stays."""
import os

os.environ["WEFT_SMALL_PACK_SIDE_EFFECT"] = "stays"
