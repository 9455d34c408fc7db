"""Composition root: chooses the parts and joins them. The only module of the server that names nodes beyond the contract."""

import asyncio
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nodes.spec import Json, Place, Registry
from server.api.descriptions import Descriptions
from server.api.desk import Desk
from server.api.downloads import SITES, Downloads
from server.api.kept import Kept, key_of
from server.api.library import Library
from server.api.logs import LogBook
from server.api.messages import history_message
from server.api.pack_watch import PackWatch
from server.api.previews import wants_previews
from server.api.scripts import Scripts
from server.api.services import Limits, Services
from server.api.site import Site, address, build_application, certificate, own_routes
from server.api.websocket import Hub
from server.backends.base import Backend
from server.backends.process import ProcessBackend
from server.belongings import Belongings
from server.config import ROOT, SHIPPED, Compute, Config
from server.events import Bus
from server.graph.outcome import now_ms
from server.hashes import Hashes
from server.jobs.control import Control
from server.jobs.history import History
from server.jobs.queue import Queue
from server.jobs.runner import Runner, Surroundings
from server.memory import memory, spare_the_collector
from server.pack_reports import report_of
from server.store import Store
from server.tokens import OWNER, Tokens
from server.understood import features
from server.versions import versions
from server.worker.apart_words import Kept as Object
from server.worker.parts import Factory, Lasting, WorkerParts
from server.worker.parts import Services as WorkerServices
from server.worker.saves import Journal, Saves
from server.worker.separate import Separate
from server.worker_settings import WorkerSettings, alone, worker_settings
from server.workspace import Elsewhere, Workspace, suffixes

if TYPE_CHECKING:
    from nodes.compat.fence import Fence
    from nodes.compat.packs import Packs
    from nodes.compat.places import Places
    from nodes.diffusion.models.load import Placement

DEFAULT_WORKFLOW = Path(__file__).with_name("default_workflow.json")
TEMPLATES = Path(__file__).with_name("templates")
BUILD = "server.app:build_worker"
CONVERTED = "converted"  # models that could run code, as safetensors
HASHES = "hashes.json"  # in which workers keep the hashes of models


def build_worker(settings: object, services: WorkerServices) -> WorkerParts:
    """Furnish a worker: built-in nodes, community packs, the model pool. Imports torch, so only workers call it."""
    assert isinstance(settings, WorkerSettings)
    compute = settings.compute
    if compute.visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = compute.visible  # read when torch first asks for a card
    # Threads that wait for work by spinning hold up those that have some, sevenfold where others want the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is first imported
    from nodes.compat.early import prestart

    workspace = build_workspace(settings.workspace, settings.packs, settings.elsewhere)
    places = _places(workspace)
    fence = _guarded(settings, places)
    prestart(
        places,
        services.announce,
        services.skip,
        settings.only_packs,
        trusted=settings.trust.allows,
        apart=() if fence is None else fence.apart(),
    )
    return _furnished(settings, services, workspace, places, fence)


def _guarded(settings: WorkerSettings, places: "Places") -> "Fence | None":
    """What holds packs, from before the first of them runs."""
    if not settings.guarded:
        return None
    from nodes.compat.grounds import Limits
    from nodes.compat.guarding import guard

    kept = settings.limits.all().items()
    limits = {pack: Limits(each.apart, each.network, each.writes) for pack, each in kept}
    return guard(places, limits, alone=settings.alone, closed=settings.closed)


def _furnished(
    settings: WorkerSettings,
    services: WorkerServices,
    workspace: Workspace,
    places: "Places",
    fence: "Fence | None",
) -> WorkerParts:
    import torch

    from nodes.builtin import all_nodes
    from nodes.builtin.planning import MemoryPlan
    from nodes.builtin.previews import Method, Previews
    from nodes.builtin.record import Recorder
    from nodes.builtin.storage import ResultCodec, identity
    from nodes.diffusion.choosing import Wishes, chosen_foresight, chosen_pool
    from nodes.diffusion.models.conversion import Conversions
    from nodes.diffusion.models.files import ContentHashes
    from nodes.diffusion.models.load import warm_up
    from server.worker.machine import device_peak, devices, release

    if settings.compute.deterministic:
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
    placement = _placement(settings.compute)
    registry = Registry(all_nodes())
    packs = _packs(settings, services, registry, places, fence)
    crossing = ResultCodec((Object,))
    hashes, conversions = ContentHashes(workspace.user / HASHES), Conversions(workspace.user / CONVERTED)
    pool = chosen_pool(placement, Wishes(*settings.compute.wishes), memory(), hashes.reference)
    foresight = chosen_foresight(pool, memory())
    previews = Previews(workspace, placement.device, Method(settings.preview_method), conversions)
    recorder = Recorder(workspace, hashes, placement, tuple(workspace.folders()), wanted=settings.metadata)

    parts = WorkerParts(
        registry=registry,
        files=workspace,
        resources={type(part): part for part in (pool, hashes, conversions, recorder, previews, foresight)},
        standing=recorder.standing,
        plan=MemoryPlan(foresight, workspace, registry.spec),
        warm_up=warm_up,
        around=torch.inference_mode,
        free_models=pool.empty,
        memory_ran_out=pool.house.memory_ran_out,
        models=pool.holdings,
        sources=pool.sources,
        bring_back=lambda source: pool.bring_back(source, hashes.reference),
        release=release,
        devices=devices,
        device_peak=device_peak,
        keeping=settings.keeping,
        saves=Saves(workspace, Journal(workspace.saves)),
        lasting=Lasting(
            workspace.results, identity(placement), crossing if settings.alone else ResultCodec()
        ),
    )
    separate = Separate(
        registry, lambda pack: Factory(BUILD, alone(settings, pack)), crossing, services, packs
    )
    return separate.joined(parts, report_of)


def _packs(
    settings: WorkerSettings,
    services: WorkerServices,
    registry: Registry,
    places: "Places",
    fence: "Fence | None",
) -> "Packs":
    """The packs of a worker, not loaded yet."""
    from nodes.compat.packs import Packs

    return Packs(
        registry,
        places,
        services.announce,
        services.skip,
        only=settings.only_packs,
        taken=settings.routes,
        trusted=settings.trust.allows,
        publish=services.publish,
        wonder=services.wonder,
        fence=fence,
        options=settings.options,
        door=services.door,
    )


def _placement(compute: Compute) -> "Placement":
    """Where and in which precision networks compute: the best there is, unless a person said otherwise."""
    import torch

    from nodes.diffusion.models.load import Placement, best_placement

    single = torch.float32
    placement = Placement(torch.device("cpu"), single, single) if compute.cpu else best_placement()
    if compute.card is not None and placement.device.type == "cuda":
        placement = replace(placement, device=torch.device("cuda", compute.card))
    dtypes: dict[str, torch.dtype] = {
        part: getattr(torch, name) for part, name in compute.types.items() if name
    }
    return replace(placement, **dtypes)


def _places(workspace: Workspace) -> "Places":
    """The workspace's folders as packs see them."""
    from nodes.compat.places import Places

    return Places(
        root=workspace.root,
        models=workspace.models,
        input=workspace.place(Place.INPUT),
        output=workspace.place(Place.OUTPUT),
        temp=workspace.place(Place.TEMP),
        user=workspace.user,
        folders={key: (folders, suffixes(key)) for key, folders in workspace.folders().items()},
        packs=workspace.pack_folders,
        choices=workspace.choices,
    )


def build_workspace(
    root: Path, packs: tuple[Path, ...] = (), elsewhere: Elsewhere | None = None
) -> Workspace:
    """The workspace, with the models that come with Weft."""
    folder = ROOT / "nodes" / "starter"
    shipped = {key: {name: folder / name} for key, name in SHIPPED.items() if (folder / name).exists()}
    return Workspace(root, more_packs=packs, elsewhere=elsewhere or Elsewhere(), shipped=shipped)


def build_backend(config: Config) -> Backend:
    """Where nodes run."""
    settings = worker_settings(config, own_routes())
    factory = Factory(config.factory, settings)
    if config.backend == "thread":
        from server.backends.thread import ThreadBackend

        return ThreadBackend(factory)
    return ProcessBackend(factory, most_memory=config.compute.memory)


def _kept(config: Config, workspace: Workspace) -> Kept:
    """Descriptions for the next start, under a key of all that brings nodes: Weft, Python, every pack's files."""

    def key() -> str:
        only = config.only_packs if config.only_packs is None else sorted(config.only_packs)
        parts = (versions(), sys.version, config.factory, config.backend, only)
        packs = (pack for folder in workspace.pack_folders if folder.is_dir() for pack in folder.iterdir())
        return key_of(parts, (ROOT / "nodes", *sorted(packs)))

    return Kept(workspace.user / "described", key)


class Server:
    """A whole server. `start` it, `close` it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._tasks: list[asyncio.Task[None]] = []
        self._site: Site | None = None
        self._store: Store | None = None
        self._backend: Backend | None = None
        self._hub: Hub | None = None
        self._library: Library | None = None
        self._downloads = Downloads((*SITES, *config.download_from) if config.downloads else ())
        self._belongings: Belongings | None = None
        self._log = LogBook(self._tell)

    async def start(self) -> str:
        """Begin to serve; the address to open in a browser. Nodes may still be getting ready.

        The address holds a token if one is asked for and this is the first: nobody is told it again.

        Raises:
            TokensUnreadable: a token is asked for, and the list of them is damaged.
            PortTaken: somebody else listens there.
            OSError: the workspace cannot be made or written.
        """
        config = self._config
        self._log.open()
        workspace = build_workspace(config.workspace, config.packs, config.elsewhere)
        self._store = await Store.open(workspace.user / "weft.db", max_pages=config.database_pages)
        workspace.clear_temp()  # only now: until the store is ours, another server may be using it
        self._backend = build_backend(config)
        tokens = Tokens(workspace.user) if config.asks_token else None
        made = "" if tokens is None or tokens.all() else tokens.add(OWNER)
        if tokens is not None:
            self._belongings = await Belongings.load(workspace, self._store.shelf)
        services = self._join(workspace, self._store, self._backend, tokens)
        await services.runner.resume()
        self._site = Site(build_application(services))
        tls = certificate(config.tls.certificate, config.tls.key) if config.tls else None
        port = await self._site.start(config.hosts, config.port, tls)
        await self._backend.start()
        spare_the_collector()
        self._tasks = [
            asyncio.create_task(services.hub.serve()),
            asyncio.create_task(services.runner.serve()),
            asyncio.create_task(
                PackWatch(self._backend, services.hub, lambda: workspace.pack_folders).serve()
            ),
        ]
        url = address(config.hosts[0], port, "https" if config.tls else "http")
        return f"{url}/?token={made}" if made else url

    async def loaded(self) -> tuple[int, Mapping[str, str]]:
        """Wait until nodes can run: how many there are, and what is wrong with packs that do not load, by name.

        Raises:
            BackendLost: no worker can be started.
        """
        assert self._backend is not None, "start it first"
        nodes = await self._backend.specs()
        broken = {pack.name: pack.error.message for pack in await self._backend.packs() if pack.error}
        return len(nodes), broken

    async def close(self) -> None:
        """Stop: what runs goes back to the head of the queue, for the next server."""
        if self._hub:
            await self._hub.close()
        await self._downloads.close()
        if self._library:
            await self._library.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for part in (self._site, self._backend, self._belongings, self._store):
            if part:
                await part.close()
        self._log.shut()

    def _tell(self, clients: Collection[str], type: str, data: Mapping[str, Json]) -> None:
        if self._hub:
            self._hub.send(clients, type, data)

    def _join(self, workspace: Workspace, store: Store, backend: Backend, tokens: Tokens | None) -> Services:
        config, bus = self._config, Bus()
        understood = features(config)
        kept = _kept(config, workspace)
        queue = Queue(store, bus.publish)
        history = History(store)
        hub = self._hub = Hub(bus, lambda: queue.remaining, understood)
        hashes = Hashes(store.shelf, workspace.user / HASHES)
        self._library = Library(workspace, store.shelf, hashes, hub.tell_all)
        backend.listen(hub.pass_on, Desk(queue, history).answer)
        runner = Runner(
            Surroundings(
                store=store,
                queue=queue,
                history=history,
                nodes=backend,
                publish=self._belongings.noticing(bus.publish) if self._belongings else bus.publish,
                message=history_message,
                choices=workspace.choices,
                clock=now_ms,
                wants_previews=lambda job: wants_previews(job, config.previews, hub),
            )
        )
        return Services(
            workspace=workspace,
            queue=queue,
            history=history,
            runner=runner,
            control=Control(
                queue, runner, history, message=history_message, publish=bus.publish, clock=now_ms
            ),
            backend=backend,
            descriptions=Descriptions(backend, workspace.choices, kept),
            scripts=Scripts(backend, kept),
            hub=hub,
            log=self._log,
            library=self._library,
            belongings=self._belongings,
            settings=store,
            editions=store.editions,
            downloads=self._downloads,
            limits=Limits(upload=config.max_upload, body=config.max_body),
            features=understood,
            web=config.web,
            default_workflow=DEFAULT_WORKFLOW,
            templates=TEMPLATES,
            hosts=frozenset(name.lower() for name in (*config.hosts, *config.allow_hosts)),
            tokens=tokens,
            cors=config.cors,
            compress=config.compress,
            versions=versions(),
            argv=tuple(sys.argv),
            only_packs=config.only_packs,
            trust=config.trust,
            pack_limits=config.limits,
            multi_user=config.multi_user and tokens is None,  # each token is a user already
        )
