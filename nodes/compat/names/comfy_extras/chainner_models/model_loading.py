"""`comfy_extras.chainner_models.model_loading`: enlargers, by spandrel where it is installed."""


def load_state_dict(sd):
    """The network of these weights, as spandrel tells it.

    Raises:
        ImportError: spandrel is not installed.
    """
    from spandrel import ModelLoader

    return ModelLoader().load_from_state_dict(sd).eval()
