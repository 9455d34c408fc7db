"""A community pack in the field's first form whose node dies in every way that such packs have."""

import ctypes
import os
import subprocess
import sys
import time

import numpy
import torch


def _child():
    """Leaves a program behind, then takes the worker down."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    os._exit(9)


def _loop():
    while True:
        time.sleep(0.001)


def _raise(error):
    raise error


WAYS = {
    "exception": lambda: _raise(ValueError("it does not fit")),
    "keyboard": lambda: _raise(KeyboardInterrupt()),
    "sys_exit": lambda: sys.exit(3),
    "card_full": lambda: _raise(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")),
    "numpy_too_much": lambda: numpy.ones(1 << 50),
    "torch_too_much": lambda: torch.ones(1 << 50),
    "segfault": lambda: ctypes.string_at(0),
    "child": _child,
    "loop": _loop,
    "nothing": lambda: None,
}


class Deadly:
    """Dies as asked."""

    CATEGORY = "test"
    RETURN_TYPES = ("STRING",)
    FUNCTION = "die"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"how": (list(WAYS),)}}

    def die(self, how):
        WAYS[how]()
        return (how,)


class DeadlyEnd:
    """Shows that what comes before it did not die."""

    CATEGORY = "test"
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "show"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"forceInput": True})}}

    def show(self, text):
        return {"ui": {"text": [text]}}


NODE_CLASS_MAPPINGS = {"Deadly": Deadly, "DeadlyEnd": DeadlyEnd}
