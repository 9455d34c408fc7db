"""What a picture says of its making against what is here today: one line for each difference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from nodes.spec import Json, NodeSpec, RecordedFile
from server.verify.picture import Picture, Record

SHORT = 12  # digits of a hash that are shown
PLACES = {"input": "picture", "output": "picture", "temp": "picture"}
# What decides over pixels, and what it is called. Python and the system do not.
PACKAGES = {"weft": "Weft", "torch": "torch", "diffusers": "diffusers", "transformers": "transformers"}
MACHINE = {"name": "device", "capability": "kind of device", "cuda": "CUDA", "threads": "number of threads"}
SPLIT = "Sums are split among threads and rounded in another order:"
NO_RECORD = (
    "The picture holds no record (another program saved it, or one that only passes the prompt on): which versions, "
    "which device and which content of its models made it is not known."
)


class Kind(StrEnum):
    """What a difference is about."""

    PICTURE = "picture"
    NODE = "node"
    FILE = "file"
    VERSION = "version"
    MACHINE = "machine"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was: a line for the person, and both values for programs."""

    kind: Kind
    message: str
    recorded: Json = None
    here: Json = None


@dataclass(frozen=True, slots=True)
class Here:
    """This machine: what a record would say of it, today's state of each recorded file, the nodes that are installed."""

    standing: Mapping[str, Json]
    specs: Mapping[str, NodeSpec]

    def part(self, name: str) -> Mapping[str, Json]:
        """A part of the standing: "versions", "machine", "dtypes"."""
        found = self.standing.get(name)
        return found if isinstance(found, Mapping) else {}

    def files(self) -> Sequence[Mapping[str, Json]]:
        """Today's state of the files that were asked for, in their order."""
        return cast("Sequence[Mapping[str, Json]]", self.standing.get("files") or ())


def differences(picture: Picture, here: Here) -> Iterator[Difference]:
    """All that differs for a picture with a record.

    Args:
        here: asked for the files of the record.
    """
    record = picture.record
    assert record is not None
    if picture.is_edited:
        told = "The picture was edited after it was saved: its pixels are not those of the record."
        yield Difference(Kind.PICTURE, told, record.pixels, picture.pixels)
    yield from _prompt(picture, record)
    yield from _nodes(record, here.specs)
    for file, today in zip(record.files, here.files(), strict=True):
        yield from _file(file, today)
    yield from _versions(record, here)
    yield from _machine(record, here)


def unrecorded(types: Sequence[str], files: Sequence[RecordedFile], here: Here) -> Iterator[Difference]:
    """What can be said of a picture with a prompt alone: nodes and files that are not here, and what nobody knows.

    Args:
        types: the classes of the prompt's nodes. files: those that they name.
    """
    yield Difference(Kind.UNKNOWN, NO_RECORD)
    for type in sorted({type for type in types if type not in here.specs}):
        yield Difference(Kind.NODE, f"The node {type} is not installed here.", type)
    for file, today in zip(files, here.files(), strict=True):
        if not today.get("sha256"):
            yield Difference(Kind.FILE, f"The {_named(file)} is not here.", file.name)


def notes(record: Record, here: Here) -> Iterator[str]:
    """What is other here and changes no pixel, and what a reader should know."""
    if record.is_newer:
        yield f"A later Weft wrote the record (form {record.version}): what this one knows of it is compared."
    if record.index is None:
        yield "Which picture of its batch it is, is not recorded: a pack saved it by itself."
    for name, part in (("python", "versions"), ("system", "machine")):
        before = (record.versions if part == "versions" else record.machine).get(name)
        now = here.part(part).get(name)
        if before and now and before != now:
            yield f"Made under {name} {before}, here is {now}: that alone changes no pixel."


def _prompt(picture: Picture, record: Record) -> Iterator[Difference]:
    if picture.prompt is None:
        yield Difference(Kind.PICTURE, "The prompt was taken out of the file, so it cannot be made again.")
    elif picture.is_prompt_changed:
        told = "The prompt in the file was changed after the picture was saved."
        yield Difference(Kind.PICTURE, told, record.prompt, picture.prompt_hash)
    for place, seed in record.seeds.items():
        now = _constant(picture.prompt, place)
        if picture.prompt is not None and now is not None and now != seed:
            told = f"The seed {place} was {seed}; the prompt in the file says {now}."
            yield Difference(Kind.PICTURE, told, str(seed), str(now))


def _constant(prompt: Mapping[str, Json] | None, place: str) -> Json:
    node, _, name = place.rpartition(".")
    found = (prompt or {}).get(node)
    inputs = found.get("inputs") if isinstance(found, Mapping) else None
    return inputs.get(name) if isinstance(inputs, Mapping) else None


def _nodes(record: Record, specs: Mapping[str, NodeSpec]) -> Iterator[Difference]:
    for type, node in record.nodes.items():
        spec = specs.get(type)
        owner = _owner(node.module)
        if spec is None:
            yield Difference(Kind.NODE, f"The node {type} of {owner} is not installed here.", node.module)
        elif spec.module != node.module:
            told = f"The node {type} came from {owner}; here it is {_owner(spec.module)}'s."
            yield Difference(Kind.NODE, told, node.module, spec.module)
        elif spec.version != node.version:
            told = f"The node {type} of {owner} has other code here: another version of it."
            yield Difference(Kind.NODE, told, node.version, spec.version)


def _owner(module: str) -> str:
    root, _, pack = module.partition(".")
    return f"the pack {pack}" if root == "custom_nodes" and pack else "Weft"


def _file(file: RecordedFile, today: Mapping[str, Json]) -> Iterator[Difference]:
    now = today.get("sha256")
    alike = [str(name) for name in cast("Sequence[Json]", today.get("alike") or ())]
    if not file.sha256:
        told = f"The {_named(file)} was gone when the picture was saved: its content is not recorded."
        yield Difference(Kind.UNKNOWN, told, file.name)
        return
    if now == file.sha256:
        return
    if now:
        told = f"The {_named(file)} has other content here: its hash was {_short(file.sha256)}, now {_short(now)}."
    else:
        told = f"The {_named(file)} is not here (hash {_short(file.sha256)})."
    if alike:
        told += f" The same content is here as {', '.join(alike)}: choose that in the node."
    elif not now:
        told += " Nor is it under another name."
    yield Difference(Kind.FILE, told, file.sha256, now)


def _named(file: RecordedFile) -> str:
    return f"{PLACES.get(file.folder, 'model')} {file.folder}/{file.name}"


def _short(digest: Json) -> str:
    return str(digest)[:SHORT]


def _versions(record: Record, here: Here) -> Iterator[Difference]:
    for name, shown in PACKAGES.items():
        before, now = record.versions.get(name), here.part("versions").get(name)
        if before is not None and before != now:
            told = f"Made with {shown} {before}, here is {now or 'none'}: pixels may differ."
            yield Difference(Kind.VERSION, told, before, now)


def _machine(record: Record, here: Here) -> Iterator[Difference]:
    then, now = record.machine, here.part("machine")
    if then.get("device") not in (None, now.get("device")):
        told = f"Made on {_device(then)}, here is {_device(now)}: pixels will differ, if only a little."
        yield Difference(Kind.MACHINE, told, then.get("device"), now.get("device"))
    else:
        for name, shown in MACHINE.items():
            if name in then and then[name] != now.get(name):
                told = f"Made with another {shown}: {then[name]}, here {now.get(name)}. The last bits may differ."
                if name == "threads":
                    told += f" {SPLIT} OMP_NUM_THREADS={then[name]} takes as many here."
                yield Difference(Kind.MACHINE, told, then[name], now.get(name))
    for part, dtype in record.dtypes.items():
        other = here.part("dtypes").get(part)
        if dtype != other:
            told = f"The {part} computed in {dtype}, here in {other}: pixels will differ, if only a little."
            yield Difference(Kind.MACHINE, told, dtype, other)


def _device(machine: Mapping[str, Json]) -> str:
    return f"{machine.get('device')} ({machine.get('name') or 'of an unknown name'})"
