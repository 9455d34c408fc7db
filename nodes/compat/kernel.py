"""What Linux itself enforces: where a thread, and all that it starts, may write and read; no network; no programs.

Landlock (kernel 5.13 and later) and seccomp need no rights and cannot be taken off again. Each call holds for the calling
thread and for threads and programs started by it afterwards. Elsewhere, and where the kernel lacks them, nothing is done,
and `offered` says so.

Source: the kernel's documentation, userspace-api/landlock.rst and userspace-api/seccomp_filter.rst.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on all machines
VERSION = 1  # flag of the first: tell which version of Landlock this is
BENEATH = 1  # kind of a rule: a folder and all in it, or a file
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl

EXECUTE, WRITE, READ, LIST, REMOVE_FOLDER, REMOVE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
MAKE_DEVICE, MAKE_FOLDER, MAKE_FILE, MAKE_SOCKET, MAKE_FIFO, MAKE_BLOCK, MAKE_LINK = (
    1 << bit for bit in range(6, 13)
)
MOVE, TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3
MAKING = MAKE_FOLDER | MAKE_FILE | MAKE_SOCKET | MAKE_FIFO | MAKE_LINK
CHANGING = WRITE | REMOVE_FOLDER | REMOVE | MAKING | MAKE_DEVICE | MAKE_BLOCK
READING = READ | LIST | EXECUTE
OF_FILES = WRITE | READ | EXECUTE | TRUNCATE  # what a rule about a single file may say

# System calls by machine: the number of the architecture, then what is refused.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
IO_RING = 425  # makes sockets by a way of its own
STARTS = {"x86_64": (57, 58, 59, 322), "aarch64": (221, 281)}  # fork, vfork, execve, execveat
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435  # its flags cannot be seen; refused as unknown, so that threads are made by clone
THREAD = 0x00010000  # the flag of clone that makes a thread
LOAD, EQUAL, ANY_OF, RETURN = 0x20, 0x15, 0x45, 0x06  # of the small language in which filters are written
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


class Unenforced(OSError):
    """The kernel did not take a rule that it should have taken."""


@cache
def version() -> int:
    """Which version of Landlock the kernel speaks; 0: none."""
    if sys.platform != "linux":
        return 0
    found = _libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION))
    return max(int(found), 0)


def filters() -> bool:
    """Whether network and programs can be refused on this machine."""
    return sys.platform == "linux" and platform.machine() in ARCHITECTURES


def offered() -> tuple[str, ...]:
    """What this system cannot enforce, each in a line; empty where it can enforce all."""
    lines: list[str] = []
    if not version():
        lines.append(
            "This system has no Landlock: files are guarded by Python's audit hooks alone, which see what packs' Python"
            " does, not compiled code and not programs that a pack starts."
        )
    if not filters():
        lines.append(
            "This system has no seccomp that Weft knows: network and programs are refused by Python's audit hooks alone."
        )
    return tuple(lines)


def confine(
    write: Iterable[Path],
    *,
    add: Iterable[Path] = (),
    read: Iterable[Path] | None = None,
    apart: bool = False,
) -> bool:
    """From now on nothing is written elsewhere; whether the system can do that.

    Args:
        write: folders and files that may be changed in every way.
        add: folders in which new files may be made, and those that are there neither removed nor emptied.
        read: folders and files that may be read; None: all.
        apart: no signals to, and no hidden sockets of, processes outside (since version 6).

    Raises:
        Unenforced: the kernel has Landlock and refused.
    """
    spoken = version()
    if not spoken:
        return False
    more = (MOVE if spoken >= 2 else 0) | (TRUNCATE if spoken >= 3 else 0)
    handled = CHANGING | more | (READING if read is not None else 0)
    scoped = 3 if apart and spoken >= 6 else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped)
    size = 24 if scoped else 8
    ruleset = _libc().syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise _refusal("make rules")
    try:
        for rights, paths in ((handled, write), (WRITE | MAKING, add), (READING, read or ())):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        _no_new_privileges()
        if _libc().syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)):
            raise _refusal("confine this thread")
    finally:
        os.close(ruleset)
    return True


def refuse(*, network: bool, programs: bool) -> bool:
    """From now on no sockets, no programs and forks; whether the system can do that.

    Raises:
        Unenforced: the kernel did not take the filter.
    """
    machine = platform.machine()
    if not filters():
        return False
    refused = [SOCKET[machine], IO_RING] if network else []
    refused += STARTS[machine] if programs else ()
    lines = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURES[machine]), (RETURN, 0, 0, REFUSE | errno.EPERM)]
    lines.append((LOAD, 0, 0, 0))
    for number in refused:
        lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | errno.EACCES)]
    if programs:
        lines += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
        lines += [(EQUAL, 0, 3, CLONE[machine]), (LOAD, 0, 0, 16), (ANY_OF, 1, 0, THREAD)]
        lines.append((RETURN, 0, 0, REFUSE | errno.EACCES))
    lines.append((RETURN, 0, 0, ALLOW))
    written = b"".join(struct.pack("=HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(written)
    program = struct.pack("@HP", len(lines), ctypes.addressof(held))
    _no_new_privileges()
    if _libc().prctl(SET_SECCOMP, FILTER, program, 0, 0):
        raise _refusal("take a filter of system calls")
    return True


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """A path that is not there needs no rule."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            allowed = rights if path.is_dir() else rights & OF_FILES
            rule = struct.pack("=Qi", allowed, opened)
            if _libc().syscall(ADD_RULE, ctypes.c_int(ruleset), BENEATH, rule, ctypes.c_uint32(0)):
                raise _refusal(f"take a rule about {path}")
        finally:
            os.close(opened)


def _no_new_privileges() -> None:
    if _libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise _refusal("give up new privileges")


def _refusal(what: str) -> Unenforced:
    number = ctypes.get_errno()
    return Unenforced(number, f"The kernel did not {what}: {os.strerror(number)}")


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc
