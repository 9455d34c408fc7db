"""The folder of scripts that pyproject.toml names (tool.comfy.web)."""
NODE_CLASS_MAPPINGS = {}
