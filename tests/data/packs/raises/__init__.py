from .inner import TABLE

NODE_CLASS_MAPPINGS = TABLE
