"""`node_helpers`: small changes of conditioning."""


def conditioning_set_values(conditioning, values=None, append=False):
    """A new list with the same tensors and changed options; `append` joins to what an option holds already."""
    made = []
    for tensor, options in conditioning:
        changed = dict(options)
        for name, value in (values or {}).items():
            changed[name] = changed[name] + value if append and name in changed else value
        made.append([tensor, changed])
    return made
