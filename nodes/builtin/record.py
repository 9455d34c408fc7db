"""What made a picture, as a record to write into its file: versions, machine, the nodes and the files it depends on."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from nodes.diffusion.models.files import ContentHashes, weight_on_disk
from nodes.diffusion.models.load import Placement
from nodes.spec import RECORD, RECORD_VERSION, Context, Files, Json, Lineage, Maker, NodeError, RecordedFile

PACKAGES = ("weft", "torch", "diffusers", "transformers")
MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".onnx")
CPU_INFO = Path("/proc/cpuinfo")  # Linux alone has it
EXACT = 2**53  # above it a float is no longer every whole number


def installed() -> dict[str, Json]:
    """Of Weft, of what decides over pixels, and of Python."""
    found: dict[str, Json] = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found | {"torch": str(torch.__version__), "python": platform.python_version()}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes records, for nodes that save.

    Attributes:
        files: the workspace.
        hashes: of model files.
        placement: where networks live, in which types.
        folders: the folder keys that are searched for the models of packs, which only say a name.
        wanted: whether files shall carry a record, the prompt and the workflow at all.
        versions: of Weft and of what decides over pixels; read once, since it takes longer than all else.
    """

    files: Files
    hashes: ContentHashes
    placement: Placement
    folders: Sequence[str] = ()
    wanted: bool = True
    versions: Mapping[str, Json] = field(default_factory=installed)

    def record(self, lineage: Lineage) -> dict[str, Json]:
        """All that is known of what made the results a node is given.

        A file that cannot be found has no hash.
        """
        return {
            "version": RECORD_VERSION,
            "job": lineage.job,
            "node": lineage.node,
            "call": lineage.call,
            **self._surroundings(),
            "nodes": {
                maker.type: {"module": maker.module, "version": maker.version}
                for maker in lineage.makers
                if maker.known
            },
            "files": self._used(lineage.makers),
            "seeds": {
                f"{maker.node}.{name}": text for maker in lineage.makers for name, text in _seeds(maker)
            },
        }

    def standing(self, files: Sequence[RecordedFile]) -> dict[str, Json]:
        """What a record would say today of this machine and of recorded files, to compare the two.

        Each file comes with `alike`: the names under which the recorded content lies in its folder.
        """
        return {**self._surroundings(), "files": [self._today(file) for file in files]}

    def _today(self, file: RecordedFile) -> dict[str, Json]:
        entry = self._file(file.folder, file.name, ())
        same = entry.get("sha256") == file.sha256
        return entry | {"alike": [] if same or not file.sha256 else self._alike(file)}

    def _alike(self, file: RecordedFile) -> list[Json]:
        found: list[Json] = []
        for name in self.files.choices(file.folder):
            with suppress(NodeError, OSError):
                path = self.files.find(file.folder, name)
                # Only what is as long is read: a folder of models holds hundreds of gigabytes.
                same_size = weight_on_disk(path) == file.size
                if same_size and self.hashes.reference(path).content == file.sha256:
                    found.append(name)
        return found

    def _surroundings(self) -> dict[str, Json]:
        return {
            "versions": self.versions,
            "machine": machine(self.placement),
            "dtypes": dtypes(self.placement),
        }

    def _used(self, makers: Iterable[Maker]) -> list[Json]:
        used: dict[tuple[str, str], list[str]] = {}
        for maker in makers:
            for folder, name in self._named(maker):
                used.setdefault((folder, name), []).append(maker.node)
        return [self._file(folder, name, nodes) for (folder, name), nodes in used.items()]

    def _named(self, maker: Maker) -> Iterable[tuple[str, str]]:
        """Folder and name of each file that a node reads; a pack's node is taken at its word that a model's name is one."""
        for name, value in maker.inputs.items():
            if not isinstance(value, str):
                continue
            if name in maker.folders:
                yield maker.folders[name], value
            elif value.lower().endswith(MODEL_SUFFIXES):
                yield from ((folder, value) for folder in self._holding(value))

    def _holding(self, name: str) -> Iterable[str]:
        """The first folder that holds a model of that name."""
        for folder in self.folders:
            with suppress(NodeError):
                self.files.find(folder, name)
                return (folder,)
        return ()

    def _file(self, folder: str, name: str, nodes: Sequence[str]) -> dict[str, Json]:
        entry: dict[str, Json] = {"folder": folder, "name": name, "nodes": list(dict.fromkeys(nodes))}
        with suppress(NodeError, OSError):
            path = self.files.picture(name) if folder.startswith("input") else self.files.find(folder, name)
            entry |= {"size": weight_on_disk(path), "sha256": self.hashes.reference(path).content}
        return entry


def of(ctx: Context) -> Recorder | None:
    """The worker's recorder; None where it has none."""
    try:
        return ctx.resource(Recorder)
    except LookupError:
        return None


def texts(
    ctx: Context, prompt: Mapping[str, Json] | None, extra: Mapping[str, Json] | None
) -> dict[str, Json]:
    """What a saved file carries by name: the prompt, further entries of the client, the record. Nothing if unwanted."""
    recorder = of(ctx)
    if recorder is not None and not recorder.wanted:
        return {}
    found: dict[str, Json] = {} if prompt is None else {"prompt": prompt}
    found |= {name: value for name, value in (extra or {}).items() if recorder is None or name != RECORD}
    return found if recorder is None else found | {RECORD: recorder.record(ctx.lineage)}


def machine(placement: Placement) -> dict[str, Json]:
    """The device that computes, and what of it decides over the last bits."""
    system = f"{platform.system()} {platform.machine()}"
    if placement.device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(placement.device)
        return {
            "device": "cuda",
            "name": torch.cuda.get_device_name(placement.device),
            "capability": f"{major}.{minor}",
            "cuda": str(torch.version.cuda or torch.version.hip),
            "system": system,
        }
    return {
        "device": placement.device.type,
        "name": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),  # sums are split among them, and rounded in another order
        "system": system,
    }


def dtypes(placement: Placement) -> dict[str, Json]:
    """The types that networks compute in."""
    named = {"network": placement.dtype, "vae": placement.vae_dtype, "text": placement.text_dtype}
    kept = {} if placement.stored is None else {"stored": placement.stored}
    return {part: str(dtype).removeprefix("torch.") for part, dtype in {**named, **kept}.items()}


def _processor() -> str:
    if CPU_INFO.is_file():
        with suppress(OSError), CPU_INFO.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or os.environ.get("PROCESSOR_IDENTIFIER", "") or platform.machine()


def _seeds(maker: Maker) -> Iterable[tuple[str, str]]:
    """Seeds, and all numbers that a float would round, digit by digit."""
    for name, value in maker.inputs.items():
        if isinstance(value, bool) or not isinstance(value, int):
            continue
        if name in maker.seeds or abs(value) > EXACT:
            yield name, str(value)
