"""`comfy.options`: whether the command line is read. Weft reads its own."""

args_parsing = False


def enable_args_parsing(enable=True):
    globals()["args_parsing"] = enable
