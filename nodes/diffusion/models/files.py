"""Files of weights: opened safely, hashed by content. Safetensors and GGUF: kinds that can run code when read are not."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nodes.diffusion.errors import CheckpointMissing, CheckpointUnreadable
from nodes.diffusion.models.gguf_files import Packed, read_header, unpacked, waiting
from nodes.diffusion.models.paging import bring
from nodes.diffusion.values import CheckpointRef

SUFFIXES = (".safetensors", ".sft")
FOLDER_SUFFIXES = (".json", ".txt", *SUFFIXES)
GGUF = ".gguf"
CODE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
SHARD = re.compile(r"-(\d+)-of-(\d+)(?=\.\w+$)")
SCALES = ("scale_weight", "weight_scale")  # beside a weight of eight bits
TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
AGAIN = "Download or copy it again, whole."

Shape = tuple[int, ...]
Stamp = tuple[int, int, int]  # which file, how long, and when it was written last


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A safetensors file whose header was read: tensors come when asked for.

    Attributes:
        shapes: of every tensor, by its name in the file.
        metadata: texts that its maker put in the header.
        dtypes: of every tensor, as the file says it ("F16", "F8_E4M3").
        shards: which file each tensor lies in, where there are several; empty: all in `path`.
        mapped: tensors that are open already.
        packed: of a GGUF file, where each tensor lies in it.
    """

    path: Path
    shapes: Mapping[str, Shape]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    dtypes: Mapping[str, str] = field(default_factory=dict[str, str])
    shards: Mapping[str, Path] = field(default_factory=dict[str, Path])
    mapped: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    packed: Mapping[str, Packed] = field(default_factory=dict[str, Packed])

    def brought(self, names: Iterable[str]) -> "WeightFile":
        """The same file; pages of these tensors come into memory from now on, while others work. Errors as `tensors`."""
        mapped = self.tensors(name for name in names if name not in self.packed)
        bring(mapped.values())
        return replace(self, mapped=mapped)

    def tensors(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Some tensors, on the CPU, as they are stored.

        Raises:
            CheckpointUnreadable: the file has changed since it was opened.
        """
        by_file: dict[Path, list[str]] = {}
        found: dict[str, Tensor] = {}
        for name in names:
            if name in self.mapped:
                found[name] = self.mapped[name]
            else:
                by_file.setdefault(self.shards.get(name, self.path), []).append(name)
        for path, held in by_file.items():
            try:
                if self.packed:
                    found |= {name: unpacked(path, self.packed[name]) for name in held}
                    continue
                with _opened(path) as file:
                    found |= {name: file.get_tensor(name) for name in held}
            except (SafetensorError, OSError) as error:
                raise CheckpointUnreadable(path, str(error), AGAIN) from error
        return found

    def waiting(self, name: str, rows: Tensor, shape: Shape) -> Tensor | None:
        """Some rows of a packed tensor as one that is unpacked whenever it is used; None where it cannot be."""
        return waiting(self.path, self.packed[name], rows, shape) if name in self.packed else None

    def scales(self, names: Iterable[str]) -> dict[str, Tensor]:
        """By what some tensors are to be multiplied: those of eight bits that were scaled to fit in them.

        Raises:
            CheckpointUnreadable: as `tensors`.
        """
        pairs = {
            name: scale
            for name in names
            for ending in SCALES
            if (scale := name.removesuffix("weight") + ending) in self.shapes and name.endswith(".weight")
        }
        stored = self.tensors(set(pairs.values()))
        return {name: stored[scale].float() for name, scale in pairs.items()}

    def under(self, prefix: str) -> dict[str, Shape]:
        """The shapes below a prefix, by their names without it."""
        return {
            name.removeprefix(prefix): shape for name, shape in self.shapes.items() if name.startswith(prefix)
        }


def open_weights(path: Path) -> WeightFile:
    """Read a file's header.

    Raises:
        CheckpointMissing: there is no such file.
        CheckpointUnreadable: it is cut short, garbage, or of a kind that could run code.
    """
    if not path.is_file():
        raise CheckpointMissing(path)
    if path.suffix.lower() in CODE_SUFFIXES:
        hint = "Load it by a node, which converts it to safetensors, or get that form of it: such files can run code."
        raise CheckpointUnreadable(path, f"it is a {path.suffix} file", hint)
    if path.suffix.lower() == GGUF:
        packed, metadata = read_header(path)
        shapes = {name: one.shape for name, one in packed.items()}
        kinds = {name: one.kind for name, one in packed.items()}
        return WeightFile(path, shapes, metadata, kinds, packed=packed)
    return _open_safetensors(path)


def _open_safetensors(path: Path) -> WeightFile:
    shards = _shards(path)
    shapes: dict[str, Shape] = {}
    dtypes: dict[str, str] = {}
    held: dict[str, Path] = {}
    metadata: dict[str, str] = {}
    for part in shards:
        try:
            with _opened(part) as file:
                for name in file.keys():  # noqa: SIM118
                    slices = file.get_slice(name)
                    shapes[name], dtypes[name] = tuple(slices.get_shape()), str(slices.get_dtype())
                    held[name] = part
                metadata |= cast("dict[str, str] | None", file.metadata()) or {}
        except (SafetensorError, OSError) as error:
            what = f"it is cut short or no safetensors file ({error})"
            raise CheckpointUnreadable(part, what, AGAIN) from error
    return WeightFile(path, shapes, metadata, dtypes, held if len(shards) > 1 else {})


def folder_weights(folder: Path) -> WeightFile:
    """The weights in a part's folder, as diffusers names them: one file, or all of its shards.

    Raises:
        CheckpointMissing: it holds none; CheckpointUnreadable: as `open_weights`.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    whole = [path for path in found if ".fp16" not in path.name and SHARD.search(path.name) is None]
    if not found:
        raise CheckpointMissing(folder / "diffusion_pytorch_model.safetensors")
    return open_weights((whole or found)[0])


def _shards(path: Path) -> list[Path]:
    """A file, or all those among which its tensors were shared out.

    Raises:
        CheckpointMissing: one of them is not there.
    """
    told = SHARD.search(path.name)
    if told is None:
        return [path]
    before, width, count = path.name[: told.start()], len(told.group(1)), told.group(2)
    names = [f"{before}-{number:0{width}}-of-{count}{path.suffix}" for number in range(1, int(count) + 1)]
    for name in names:
        if not path.with_name(name).is_file():
            raise CheckpointMissing(path.with_name(name))
    return [path.with_name(name) for name in names]


def read_json(path: Path) -> dict[str, Any]:
    """A part's settings.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or is no JSON object.
    """
    if not path.is_file():
        raise CheckpointMissing(path)
    try:
        said = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise CheckpointUnreadable(path, f"it is no JSON ({error})", AGAIN) from error
    if not isinstance(said, dict):
        raise CheckpointUnreadable(path, "it holds no settings", AGAIN)
    return cast("dict[str, Any]", said)


class ContentHashes:
    """SHA-256 of files' bytes, read once and remembered by path, size, times of change and file id.

    Args:
        store: a JSON file to remember them in between runs; None: only as long as this object lives.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._lock = Lock()
        self._known: dict[str, str] = {}
        if store is not None and store.is_file():
            try:
                kept = cast("dict[str, Any]", json.loads(store.read_text("utf-8")))
                self._known = {key: value for key, value in kept.items() if isinstance(value, str)}
            except (ValueError, AttributeError):
                self._known = {}  # a damaged memory costs one more hashing, no more

    def reference(self, path: Path) -> CheckpointRef:
        """A file or a model's folder, with the hash of its content: of a folder, that of its files' names and hashes.

        Raises:
            CheckpointMissing: there is neither.
        """
        if path.is_dir():
            lines = [f"{part.relative_to(path).as_posix()} {self._hash(part)}" for part in _parts(path)]
            return CheckpointRef(path, hashlib.sha256("\n".join(lines).encode()).hexdigest())
        if not path.is_file():
            raise CheckpointMissing(path)
        shards = _shards(path)
        if len(shards) > 1:
            lines = [f"{part.name} {self._hash(part)}" for part in shards]
            return CheckpointRef(path, hashlib.sha256("\n".join(lines).encode()).hexdigest())
        return CheckpointRef(path, self._hash(path))

    def _hash(self, path: Path) -> str:
        state = path.stat()
        # The time of the last change of any kind (on Windows: of creation) is there for copies that keep their times.
        stamp = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        key = "|".join((str(path.resolve()), *map(str, stamp)))
        with self._lock:
            if key in self._known:
                return self._known[key]
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        with self._lock:
            self._known[key] = content
            self._keep()
        return content

    def _keep(self) -> None:
        """Write them down; where that is refused (a full disk), they are hashed again another day."""
        if self._store is None:
            return
        fresh = self._store.with_suffix(f".{os.getpid()}.part")
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(self._known), "utf-8")
            fresh.replace(self._store)
        except OSError:
            fresh.unlink(missing_ok=True)


def stamp_of(path: Path) -> Stamp | None:
    """What tells whether a file was written since; None for a folder, or where there is none."""
    if not path.is_file():
        return None
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def stored_types(weights: WeightFile, names: Iterable[tuple[str, str]]) -> dict[str, torch.dtype]:
    """In which type each tensor of a network lies in its file, by our name; those without a plain one are left out."""
    pairs = [(theirs, ours) for theirs, ours in names if weights.dtypes.get(theirs) in TYPES]
    scaled = weights.scales(theirs for theirs, _ in pairs)
    return {ours: TYPES[weights.dtypes[theirs]] for theirs, ours in pairs if theirs not in scaled}


def cast_tensor(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """On a device, in a type; whole numbers keep theirs."""
    return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)


def weight_on_disk(path: Path) -> int:
    """Bytes of a file, or of the files of a model's folder that its hash covers.

    Raises:
        OSError: it is not there.
    """
    return sum(part.stat().st_size for part in _parts(path)) if path.is_dir() else path.stat().st_size


def _parts(folder: Path) -> list[Path]:
    """The files that make up a model's folder."""
    return sorted(
        part for part in folder.rglob("*") if part.is_file() and part.suffix.lower() in FOLDER_SUFFIXES
    )


def _opened(path: Path) -> Any:
    return cast("Any", safe_open)(str(path), framework="pt", device="cpu")
