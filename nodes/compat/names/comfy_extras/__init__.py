"""`comfy_extras`: built-in nodes as classes (see `install_classes`), and the functions beside them."""
