"""Starts a worker's process: never a fork of this one."""

import json
import os
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import Any

from server.backends.leash import options

BOOT = """\
import faulthandler, json, signal, sys
if hasattr(faulthandler, "register"):
    faulthandler.register(signal.SIGUSR2)
sys.path[:], handle = json.loads(sys.argv[1])
sys.argv = ["weft"]
from server.worker.main import main
main(handle)
"""

# Packs walk sets of words. In the same order at each start their nodes give the same again, as kept results and records
# promise. With 1, all that the field's host was recorded to give comes out here.
HASH_SEED = "1"


def spawn(theirs: Connection) -> "subprocess.Popen[bytes]":
    """Start the process with its end of the pipe and this process's module path; never a fork of this one."""
    handle = theirs.fileno()
    command = [sys.executable, "-u", "-X", "faulthandler", "-c", BOOT, json.dumps([sys.path, handle])]
    more: dict[str, Any] = {"pass_fds": [handle]}
    if os.name == "nt":
        windows: Any = os
        windows.set_handle_inheritable(handle, True)  # noqa: FBT003 - its only form
        startup: Any = subprocess
        more = {"startupinfo": startup.STARTUPINFO(lpAttributeList={"handle_list": [handle]})}
    process: Any = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PYTHONHASHSEED": HASH_SEED, **os.environ},
        **more,
        **options(),
    )
    theirs.close()
    return process
