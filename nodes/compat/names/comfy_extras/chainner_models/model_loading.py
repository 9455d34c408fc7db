"""`comfy_extras.chainner_models.model_loading`: enlargers, by spandrel where it is installed."""


def load_state_dict(sd):
    """The network of these weights, as spandrel tells it.

    Raises:
        ImportError: spandrel is not installed.
    """
    import importlib

    return importlib.import_module("spandrel").ModelLoader().load_from_state_dict(sd).eval()
