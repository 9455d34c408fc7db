"""`comfy.ldm.util`."""


def exists(x):
    return x is not None


def default(val, d):
    return val if val is not None else d() if callable(d) else d
