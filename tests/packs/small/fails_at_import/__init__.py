"""A pack that cannot be imported stops no other, and its report says what to install."""
import a_module_that_nobody_has

NODE_CLASS_MAPPINGS = {"fails_at_import": a_module_that_nobody_has.Node}
