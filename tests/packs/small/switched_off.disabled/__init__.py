"""A folder that ends in .disabled is not loaded."""
NODE_CLASS_MAPPINGS = {"switched_off": object}
