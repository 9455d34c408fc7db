"""A pack whose code raises: its report has the traceback."""


def inner():
    raise RuntimeError("no such luck")


inner()
