"""`comfy_api.latest.io`: a node class in the second form of the protocol, with the face of one in the first form."""

import inspect
from typing import Any

from nodes.compat.convert import BlockerFace
from nodes.compat.names.comfy_api.latest.inputs import sections
from nodes.compat.names.comfy_api.latest.options import Hidden

FOR_OUTPUTS = (Hidden.prompt, Hidden.extra_pnginfo)
FOR_SERVICES = (Hidden.auth_token_comfy_org, Hidden.api_key_comfy_org)
HIDDEN_PREFIX = "hidden_"  # of a hidden input that would have the name of another


class Schema:
    def __init__(
        self,
        node_id,
        display_name=None,
        category="sd",
        inputs=None,
        outputs=None,
        hidden=None,
        description="",
        search_aliases=None,
        is_input_list=False,
        is_output_node=False,
        is_deprecated=False,
        is_experimental=False,
        is_dev_only=False,
        is_api_node=False,
        price_badge=None,
        not_idempotent=False,
        enable_expand=False,
        accept_all_inputs=False,
        essentials_category=None,
        has_intermediate_output=False,
    ):
        self.node_id = node_id
        self.display_name = display_name
        self.category = category
        self.inputs = list(inputs or ())
        self.outputs = list(outputs or ())
        self.hidden = list(hidden or ())
        self.description = description
        self.search_aliases = search_aliases
        self.is_input_list = is_input_list
        self.is_output_node = is_output_node
        self.is_deprecated = is_deprecated
        self.is_experimental = is_experimental
        self.is_dev_only = is_dev_only
        self.is_api_node = is_api_node
        self.price_badge = price_badge
        self.not_idempotent = not_idempotent
        self.enable_expand = enable_expand
        self.accept_all_inputs = accept_all_inputs
        self.essentials_category = essentials_category
        self.has_intermediate_output = has_intermediate_output

    def finalize(self):
        """Fill in what follows from the rest."""
        more = (*(FOR_OUTPUTS if self.is_output_node else ()), *(FOR_SERVICES if self.is_api_node else ()))
        self.hidden = list(dict.fromkeys((*self.hidden, *more)))
        for index, output in enumerate(self.outputs):
            if output.id is None:
                kind = output.get_io_type()
                output.id = f"_{index}_{kind if isinstance(kind, str) else 'COMBO'}_"

    def validate(self):
        """Each id is there once.

        Raises:
            ValueError: one is not.
        """
        for what, ids in (("input", self.inputs), ("output", self.outputs)):
            names = [one.id for one in ids]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{self.node_id} has more than one {what} with the id {', '.join(twice)}.")

    def hidden_names(self):
        """By the kind of each hidden input, the name under which its value comes."""
        taken = {one.id for one in self.inputs}
        return {kind: HIDDEN_PREFIX + kind.name if kind.name in taken else kind.name for kind in self.hidden}


class NodeOutput:
    def __init__(self, *args, ui=None, expand=None, block_execution=None):
        self.args = args
        self.ui = ui
        self.expand = expand
        self.block_execution = block_execution

    @property
    def result(self):
        return self.args or None

    def __getitem__(self, index):
        return self.args[index]

    @classmethod
    def from_dict(cls, data):
        return cls(*(data.get("result") or ()), ui=data.get("ui"), expand=data.get("expand"))


class HiddenHolder:
    """What `cls.hidden` gives: None where a value was not asked for."""

    def __init__(self, values):
        self._values = values

    def __getattr__(self, name):
        return self._values.get(name)


class _Said:
    """A property of the class that its schema answers."""

    def __init__(self, ask):
        self._ask = ask

    def __get__(self, _instance, owner):
        return self._ask(owner.SCHEMA_ONCE())


class ComfyNode:
    hidden: Any = HiddenHolder({})
    SCHEMA: Any = None

    RETURN_TYPES = _Said(lambda schema: tuple(output.get_io_type() for output in schema.outputs))
    RETURN_NAMES = _Said(lambda schema: tuple(_output_name(output) for output in schema.outputs))
    OUTPUT_IS_LIST = _Said(lambda schema: tuple(bool(output.is_output_list) for output in schema.outputs))
    OUTPUT_TOOLTIPS = _Said(lambda schema: tuple(output.tooltip or "" for output in schema.outputs))
    OUTPUT_MATCHTYPES = _Said(lambda schema: tuple(_template(output) for output in schema.outputs))
    INPUT_IS_LIST = _Said(lambda schema: schema.is_input_list)
    OUTPUT_NODE = _Said(lambda schema: schema.is_output_node)
    CATEGORY = _Said(lambda schema: schema.category)
    DESCRIPTION = _Said(lambda schema: schema.description)
    DEPRECATED = _Said(lambda schema: schema.is_deprecated)
    EXPERIMENTAL = _Said(lambda schema: schema.is_experimental)
    DEV_ONLY = _Said(lambda schema: schema.is_dev_only)
    API_NODE = _Said(lambda schema: schema.is_api_node)
    NOT_IDEMPOTENT = _Said(lambda schema: schema.not_idempotent)
    ACCEPT_ALL_INPUTS = _Said(lambda schema: schema.accept_all_inputs)
    HAS_INTERMEDIATE_OUTPUT = _Said(lambda schema: schema.has_intermediate_output)
    SEARCH_ALIASES = _Said(lambda schema: tuple(schema.search_aliases or ()))
    ESSENTIALS_CATEGORY = _Said(lambda schema: schema.essentials_category)

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        if "SCHEMA" not in cls.__dict__:
            cls.SCHEMA = None
        is_async = inspect.iscoroutinefunction(getattr(cls, "execute", None))
        cls.FUNCTION = "EXECUTE_NORMALIZED_ASYNC" if is_async else "EXECUTE_NORMALIZED"
        if checks := getattr(cls, "validate_inputs", None):
            cls.VALIDATE_INPUTS = checks
        if hasattr(cls, "fingerprint_inputs"):
            cls.IS_CHANGED = classmethod(_fingerprint)
        if hasattr(cls, "check_lazy_status"):
            cls.LAZY_NORMALIZED = classmethod(_lazy)

    @classmethod
    def define_schema(cls):
        raise NotImplementedError(f"{cls.__name__} has no define_schema.")

    @classmethod
    def GET_SCHEMA(cls):
        schema = cls.define_schema()
        schema.finalize()
        schema.validate()
        cls.SCHEMA = schema
        return schema

    @classmethod
    def SCHEMA_ONCE(cls):
        """The schema as it was last defined."""
        return cls.SCHEMA or cls.GET_SCHEMA()

    @classmethod
    def INPUT_TYPES(cls):
        schema = cls.GET_SCHEMA()
        if not hasattr(cls, "execute"):
            raise NotImplementedError(f"{cls.__name__} has no execute.")
        hidden = {name: kind.value for kind, name in schema.hidden_names().items()}
        return {**sections(schema.inputs), **({"hidden": hidden} if hidden else {})}

    @classmethod
    def GET_NODE_INFO_V1(cls):
        schema = cls.SCHEMA_ONCE()
        return {
            "name": schema.node_id,
            "display_name": schema.display_name or schema.node_id,
            "input": cls.INPUT_TYPES(),
            "output": list(cls.RETURN_TYPES),
            "output_name": list(cls.RETURN_NAMES),
            "category": schema.category,
        }

    @classmethod
    def WITH_HIDDEN(cls, given) -> tuple[Any, dict[str, Any]]:
        """A class for one call, which knows its hidden values; and the other arguments."""
        names = cls.SCHEMA_ONCE().hidden_names()
        values = {kind.name: _one(given[name], cls) for kind, name in names.items() if name in given}
        rest = {name: value for name, value in given.items() if name not in names.values()}
        said = {"hidden": HiddenHolder(values), "__module__": cls.__module__, "SCHEMA": cls.SCHEMA}
        return type(cls.__name__, (cls,), said), rest

    @classmethod
    def EXECUTE_NORMALIZED(cls, **given):
        made, rest = cls.WITH_HIDDEN(given)
        return cls.NORMALIZED(made.execute(**rest))

    @classmethod
    async def EXECUTE_NORMALIZED_ASYNC(cls, **given):
        made, rest = cls.WITH_HIDDEN(given)
        return cls.NORMALIZED(await made.execute(**rest))

    @classmethod
    def NORMALIZED(cls, returned):
        """What `execute` returned, as the first form of the protocol has it.

        Raises:
            TypeError, ValueError: it is none of what may be returned.
        """
        if returned is None:
            return ()
        if isinstance(returned, tuple | BlockerFace):
            return returned
        if isinstance(returned, dict):
            returned = NodeOutput.from_dict(returned)
        if not isinstance(returned, NodeOutput):
            raise TypeError(f"{cls.__name__} returned {type(returned).__name__}: it must be a NodeOutput.")
        if returned.expand is not None and not cls.SCHEMA_ONCE().enable_expand:
            raise ValueError(f"{cls.__name__} returned a graph, but its schema has no enable_expand.")
        if returned.block_execution is not None:
            return BlockerFace(returned.block_execution)
        found: dict[str, Any] = {"result": returned.args}
        if returned.ui is not None:
            found["ui"] = returned.ui if isinstance(returned.ui, dict) else returned.ui.as_dict()
        if returned.expand is not None:
            found["expand"] = returned.expand
        return found


def _fingerprint(cls, **given):
    made, rest = cls.WITH_HIDDEN(given)
    return made.fingerprint_inputs(**rest)


def _lazy(cls, **given):
    made, rest = cls.WITH_HIDDEN(given)
    return made.check_lazy_status(**rest)


def _one(value, cls):
    """A node that takes lists gets hidden values in lists too."""
    return value[0] if cls.SCHEMA_ONCE().is_input_list and isinstance(value, list) and value else value


def _template(output):
    template = getattr(output, "template", None)
    return None if template is None else template.template_id


def _output_name(output):
    kind = output.get_io_type()
    return output.display_name or (kind if isinstance(kind, str) else "COMBO")
