"""What packs keep on a model by kind and key: wrappers, callbacks, attachments, injections, further models."""

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class Functions:
    """The part of a patcher that keeps them; each is a dict of the patcher's."""

    wrappers: dict[Any, Any]
    callbacks: dict[Any, Any]
    attachments: dict[Any, Any]
    injections: dict[Any, Any]
    additional_models: dict[Any, Any]

    def add_wrapper(self, wrapper_type: Any, wrapper: Function) -> None:
        """Put a function around a part of sampling; the first one is outermost."""
        self.add_wrapper_with_key(wrapper_type, None, wrapper)

    def add_wrapper_with_key(self, wrapper_type: Any, key: Any, wrapper: Function) -> None:
        """As `add_wrapper`, under a name by which it can be taken away."""
        self.wrappers.setdefault(wrapper_type, {}).setdefault(key, []).append(wrapper)

    def get_wrappers(self, wrapper_type: Any, key: Any) -> list[Function]:
        """Those of a name."""
        return self.wrappers.get(wrapper_type, {}).get(key, [])

    def get_all_wrappers(self, wrapper_type: Any) -> list[Function]:
        """All of a kind."""
        return [each for kept in self.wrappers.get(wrapper_type, {}).values() for each in kept]

    def remove_wrappers_with_key(self, wrapper_type: Any, key: Any) -> None:
        """Take those of a name away."""
        self.wrappers.get(wrapper_type, {}).pop(key, None)

    def add_callback(self, call_type: Any, callback: Function) -> None:
        """Have a function called at a moment of the model's life."""
        self.add_callback_with_key(call_type, None, callback)

    def add_callback_with_key(self, call_type: Any, key: Any, callback: Function) -> None:
        """As `add_callback`, under a name by which it can be taken away."""
        self.callbacks.setdefault(call_type, {}).setdefault(key, []).append(callback)

    def get_callbacks(self, call_type: Any, key: Any) -> list[Function]:
        """Those of a name."""
        return self.callbacks.get(call_type, {}).get(key, [])

    def get_all_callbacks(self, call_type: Any) -> list[Function]:
        """All of a kind."""
        return [each for kept in self.callbacks.get(call_type, {}).values() for each in kept]

    def remove_callbacks_with_key(self, call_type: Any, key: Any) -> None:
        """Take those of a name away."""
        self.callbacks.get(call_type, {}).pop(key, None)

    def set_attachments(self, key: Any, attachment: Any) -> None:
        """Keep something with the model."""
        self.attachments[key] = attachment

    def get_attachment(self, key: Any) -> Any:
        """What is kept; None: nothing is."""
        return self.attachments.get(key)

    def remove_attachments(self, key: Any) -> None:
        """Keep it no more."""
        self.attachments.pop(key, None)

    def set_injections(self, key: Any, injections: list[Any]) -> None:
        """Have something put into the model while it samples."""
        self.injections[key] = injections

    def get_injections(self, key: Any) -> Any:
        """Those of a name; None: there are none."""
        return self.injections.get(key)

    def remove_injections(self, key: Any) -> None:
        """Take those of a name away."""
        self.injections.pop(key, None)

    def set_additional_models(self, key: Any, models: list[Any]) -> None:
        """Have further models loaded with this one."""
        self.additional_models[key] = models

    def get_additional_models_with_key(self, key: Any) -> list[Any]:
        """Those of a name."""
        return self.additional_models.get(key, [])

    def get_additional_models(self) -> list[Any]:
        """All of them."""
        return [each for models in self.additional_models.values() for each in models]

    def get_nested_additional_models(self) -> list[Any]:
        """All of them with those that they have."""
        found: list[Any] = []
        for each in self.get_additional_models():
            found += [each, *each.get_nested_additional_models()]
        return found

    def remove_additional_models(self, key: Any) -> None:
        """Load those of a name no more."""
        self.additional_models.pop(key, None)
