"""A pack's version stands in its pyproject.toml."""
NODE_CLASS_MAPPINGS = {}
