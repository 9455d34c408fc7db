import importlib

LOUD = "LOUD"


def shout(text):
    nodes = importlib.import_module(".nodes", package=__package__)
    return text.upper() + nodes.MARK
