"""`comfy_api.latest.io`: what all inputs and outputs have in common."""

from typing import Any

from nodes.compat.names.comfy_api.latest.options import said


class Input:
    """An input that only a wire feeds. `io_type` is set by the kind it belongs to."""

    io_type = "*"

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        extra_dict=None,
        raw_link=None,
        advanced=None,
    ):
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = dict(extra_dict or {})
        self.raw_link = raw_link
        self.advanced = advanced

    def get_io_type(self):
        return self.io_type

    def get_all(self):
        return [self]

    def validate(self):
        """Nothing can be wrong with it."""

    def options(self) -> dict[str, Any]:
        """Those of this kind."""
        return {}

    def as_dict(self):
        common = said(
            display_name=self.display_name,
            tooltip=self.tooltip,
            lazy=self.lazy,
            rawLink=self.raw_link,
            advanced=self.advanced,
        )
        return common | self.options() | self.extra_dict

    def form(self):
        """As a description has it."""
        return self.get_io_type(), self.as_dict()


class WidgetInput(Input):
    """An input that a person can set."""

    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        socketless=None,
        widget_type=None,
        force_input=None,
        extra_dict=None,
        raw_link=None,
        advanced=None,
    ):
        super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
        self.default = default
        self.socketless = socketless
        self.widget_type = widget_type
        self.force_input = force_input

    def options(self):
        return said(
            default=self.default,
            socketless=self.socketless,
            widgetType=self.widget_type,
            forceInput=self.force_input,
        )


class Output:
    io_type = "*"

    def __init__(self, id=None, display_name=None, tooltip=None, is_output_list=False):
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list

    def get_io_type(self):
        return self.io_type


class Type:
    """A kind of value: `Input` and `Output` are its own, `Type` stands in annotations."""

    io_type = "*"
    Type = Any
    Input: Any = Input
    Output: Any = Output


def sections(inputs):
    """Inputs as a description has them: required and optional."""
    found: dict[str, dict[str, Any]] = {"required": {}}
    for one in inputs:
        found.setdefault("optional" if one.optional else "required", {})[one.id] = one.form()
    return found
