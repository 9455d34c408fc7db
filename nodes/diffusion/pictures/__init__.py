"""Pictures and masks as tensors: colour, filters, shapes, layers. Pure functions; nodes are adapters around them."""
