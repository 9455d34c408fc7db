"""Bring a model from a site where workflows say that it is to be had: asked for by a person, from known sites alone."""

import asyncio
import hashlib
import ipaddress
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

LOG = logging.getLogger(__name__)
SITES = ("huggingface.co", "civitai.com", "github.com", "modelscope.cn")
CHUNK = 1 << 20  # bytes
MOST_JUMPS = 6  # from one address to the next, until a file is given
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30, sock_read=60)


class Refused(Exception):
    """It is not brought; the words are for the person who asked."""


class State(StrEnum):
    """How far a download is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Download:
    """A file on its way.

    Attributes:
        goal: where it will lie; folder, name: the same as lists of models have it.
        sha256: what its content must have, as hexadecimal digits; None if nobody said.
        got, size: bytes that are here, and in all (None until the site says).
        words: why it failed.
    """

    id: str
    url: str
    folder: str
    name: str
    goal: Path
    sha256: str | None
    got: int = 0
    size: int | None = None
    state: State = State.RUNNING
    words: str = ""


class Downloads:
    """Downloads of this life of the server. A part that came stays beside the goal, and the next try goes on there.

    Args:
        sites: hosts that may be asked, with those below them; `http://host:port` for one that a person trusts as it is.
    """

    def __init__(self, sites: tuple[str, ...] = SITES) -> None:
        self._hosts = tuple(site.lower() for site in sites if "://" not in site)
        self._trusted = tuple(site.lower().rstrip("/") for site in sites if "://" in site)
        self._all: dict[str, Download] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def sites(self) -> tuple[str, ...]:
        """Who may be asked."""
        return (*self._hosts, *self._trusted)

    def all(self) -> list[Download]:
        """Every download, the oldest first."""
        return list(self._all.values())

    def start(self, url: str, folder: str, name: str, goal: Path, sha256: str | None) -> Download:
        """Begin; one that is running already to the same place is told again.

        Raises:
            Refused: the address is none of a known site, or there is a file already.
        """
        self._check(url)
        for one in self._all.values():
            if one.goal == goal and one.state is State.RUNNING:
                return one
        if goal.exists():
            raise Refused(f"There is a file {name} already.")
        download = Download(str(len(self._all) + 1), url, folder, name, goal, sha256)
        self._all[download.id] = download
        self._tasks[download.id] = asyncio.create_task(self._run(download))
        return download

    async def cancel(self, id: str) -> Download | None:
        """End one; what came stays for another try. None if there is no such download."""
        download = self._all.get(id)
        if download is not None and download.state is State.RUNNING:
            download.state = State.CANCELLED
            task = self._tasks[id]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return download

    async def close(self) -> None:
        """The server ends."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, download: Download) -> None:
        try:
            await self._bring(download)
            download.state = State.DONE
        except Refused as error:
            download.state, download.words = State.FAILED, str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            LOG.info("%s did not come: %s", download.url, error)
            host = urlsplit(download.url).hostname
            download.state = State.FAILED
            download.words = (
                f"{host} does not answer. Is this machine online? What came is kept: try again later."
            )
        except OSError as error:
            download.state, download.words = (
                State.FAILED,
                f"{download.name} could not be written: {error.strerror}.",
            )

    async def _bring(self, download: Download) -> None:
        part = download.goal.with_name(f".{download.goal.name}.part")
        await asyncio.to_thread(part.parent.mkdir, parents=True, exist_ok=True)
        begun = await asyncio.to_thread(_size, part)
        connector = aiohttp.TCPConnector(resolver=_Public(self._trusted))
        headers = {"Range": f"bytes={begun}-"} if begun else {}
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, connector=connector, trust_env=True) as session,
            await self._ask(session, download.url, headers) as answer,
        ):
            if answer.status == 416 and begun:  # all of it came, but it was not looked at yet
                download.got = download.size = begun
            else:
                await self._take(download, answer, part, begun)
        await self._finish(download, part)

    async def _take(self, download: Download, answer: aiohttp.ClientResponse, part: Path, begun: int) -> None:
        if answer.status not in (200, 206):
            raise Refused(_refusal(answer.status, urlsplit(download.url).hostname or ""))
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {begun}-"
        )
        if answer.status == 206 and not goes_on:
            raise Refused("The site sent another part of the file than was asked for.")
        if answer.content_type == "text/html":
            raise Refused("The address leads to a page, not to a file: open it in the browser.")
        download.got = begun if goes_on else 0
        download.size = None if answer.content_length is None else download.got + answer.content_length
        with await asyncio.to_thread(part.open, "ab" if goes_on else "wb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK):
                await asyncio.to_thread(file.write, chunk)
                download.got += len(chunk)
        if download.size is not None and download.got != download.size:
            raise Refused("The line was cut before all of it came. What came is kept: try again.")

    async def _finish(self, download: Download, part: Path) -> None:
        """Hold the hash against what was said, then give the file its name."""
        if download.sha256 is not None and await asyncio.to_thread(_hash, part) != download.sha256.lower():
            await asyncio.to_thread(part.unlink)
            raise Refused(
                "What came is not the file that the workflow names: its hash is another. It was thrown away."
            )
        if download.goal.exists():
            raise Refused(f"There is a file {download.name} by now.")
        await asyncio.to_thread(part.replace, download.goal)

    async def _ask(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """The answer of the last address: each that a site sends us on to is looked at before it is asked."""
        for _ in range(MOST_JUMPS):
            answer = await session.get(url, headers=headers, allow_redirects=False)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            answer.release()
            url = urljoin(url, answer.headers.get("Location", ""))
            if not self._is_trusted(url) and (urlsplit(url).scheme != "https" or _is_inner(url)):
                raise Refused("The site sends on to an address that is not https, or of an inner network.")
        raise Refused("The site sends on from address to address, and gives no file.")

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError as error:
            raise Refused("This is no address.") from error
        if self._is_trusted(url):
            return
        if parts.scheme != "https":
            raise Refused("Files are brought from https addresses alone.")
        if not any(host == known or host.endswith(f".{known}") for known in self._hosts):
            known = ", ".join(self._hosts) or "none"
            raise Refused(
                f"Files are brought from known sites alone ({known}), and {host} is none. "
                "Start weft with --download-from to add it, or bring the file by hand."
            )

    def _is_trusted(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}".lower() in self._trusted


class _Public(AbstractResolver):
    """Names to addresses, those of the inner network left out: no site sends us there."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._inner = ThreadedResolver()
        self._trusted = {urlsplit(site).hostname for site in trusted}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host in self._trusted:
            return found
        public = [one for one in found if ipaddress.ip_address(one["host"].partition("%")[0]).is_global]
        if not public:
            raise OSError(None, f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


def _is_inner(url: str) -> bool:
    """Whether the host is written as an address that is not public; names are looked at when they are resolved."""
    try:
        return not ipaddress.ip_address(urlsplit(url).hostname or "").is_global
    except ValueError:
        return False


def _refusal(status: int, host: str) -> str:
    match status:
        case 401 | 403:
            return f"{host} gives this file only to who signed in there: bring it by hand."
        case 404:
            return f"{host} has no such file any more."
        case _:
            return f"{host} answered {status}: try again later."


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
