"""`comfyui_version`: which version of the field's names are here."""

__version__ = "0.33.0"
