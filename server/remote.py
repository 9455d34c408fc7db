"""`weft queue`: what waits and runs on a running server, and what to do with it, over HTTP."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeAlias, cast
from urllib.parse import SplitResult, quote, urlsplit

SUCCESS, FAILURE, USAGE = 0, 1, 2
Object: TypeAlias = dict[str, object]
ACTS = ("list", "pause", "resume", "move", "retry", "cancel")
WAITING = "pending,in_progress"
TIMEOUT = 30.0  # seconds


class Refused(Exception):
    """The server cannot be asked, or says no."""


def add_queue(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `weft queue`."""
    parser.add_argument(
        "act",
        nargs="?",
        default="list",
        choices=ACTS,
        help="list (the default) | pause, resume: the queue, or jobs | move: waiting jobs |"
        " retry: finished jobs | cancel: waiting and running jobs",
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="a job's id, or how it begins")
    parser.add_argument(
        "--all", action="store_true", help="with cancel: all that wait and run; with retry: all that failed"
    )
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--front", action="store_true", help="with move: before all others")
    goal.add_argument("--back", action="store_true", help="with move: behind all others")
    goal.add_argument("--before", metavar="JOB", help="with move: before this one")
    goal.add_argument("--after", metavar="JOB", help="with move: behind this one")
    parser.add_argument("--json", action="store_true", help="print what the server answers")
    parser.add_argument(
        "--server",
        default="http://127.0.0.1:8188",
        metavar="URL",
        help="the server's address, as it says at its start (default: %(default)s)",
    )


def queue(options: argparse.Namespace) -> int:
    """Do what the command line says; the exit status."""
    fault = _misuse(options)
    if fault:
        print(f"weft queue {options.act}: {fault}", file=sys.stderr)
        return USAGE
    try:
        server = Remote(options.server)
        answer = _list(server) if options.act == "list" else _act(server, options)
    except Refused as error:
        print(error, file=sys.stderr)
        return FAILURE
    print(json.dumps(answer, indent=1) if options.json else _in_words(options.act, answer))
    return SUCCESS


def _reason(error: Exception) -> str:
    """Why nobody answers, without the system's number for it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class Remote:
    """A running server. Whatever its address carries after `?` goes along with each question (a token does)."""

    def __init__(self, address: str) -> None:
        try:
            self._address: SplitResult = urlsplit(address)
            self._port = self._address.port
        except ValueError as error:
            raise Refused(f"{address!r} is no address: {error}.") from error
        if self._address.scheme not in ("http", "https") or not self._address.hostname:
            raise Refused(f"{address!r} is no address: it should look like http://127.0.0.1:8188.")

    def get(self, path: str) -> Object:
        """The JSON at a path."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Object:
        """What is answered to a JSON body."""
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Object:
        address = self._address
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.hostname or "", self._port, timeout=TIMEOUT)
        more = f"{'&' if '?' in path else '?'}{address.query}" if address.query else ""
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, f"{address.path.rstrip('/')}{path}{more}", body, headers)
            answer = connection.getresponse()
            return _read(answer.read(), answer.status)
        except (OSError, HTTPException) as error:
            raise Refused(
                f"No Weft answers at {address.scheme}://{address.netloc} ({_reason(error)}). Start it with `weft`,"
                " or say with --server where it is."
            ) from error
        finally:
            connection.close()


def _read(body: bytes, status: int) -> Object:
    try:
        answer = json.loads(body or b"{}")
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Refused(f"What answers there (status {status}) is not Weft.")
    found = cast("Object", answer)
    if status < 400:
        return found
    error = found.get("error")
    raise Refused(str(cast("Object", error).get("message") if isinstance(error, dict) else error))


def _misuse(options: argparse.Namespace) -> str:
    """What is wrong with the command line."""
    goal = options.front or options.back or options.before or options.after
    if options.act == "move" and not (options.jobs and goal):
        return "name the jobs, and say where to with --front, --back, --before JOB or --after JOB."
    if options.act in ("retry", "cancel") and bool(options.jobs) is options.all:
        return "name the jobs, or say --all."
    if options.act == "list" and options.jobs:
        return "takes no jobs."
    return ""


def _act(server: Remote, options: argparse.Namespace) -> Object:
    ids = _full_ids(server, options.jobs)
    body: Object = {"job_ids": ids} if ids else {"all": True}
    if options.act == "move":
        beside = {side: id for side in ("before", "after") if (id := getattr(options, side))}
        body |= {side: _full_ids(server, [id])[0] for side, id in beside.items()}
        if not beside:
            body["to"] = "front" if options.front else "back"
    return server.post(f"/api/jobs/{options.act}", body)


def _full_ids(server: Remote, names: Sequence[str]) -> list[str]:
    """Ids of jobs that are named by how their ids begin."""
    if not names:
        return []
    known = [str(job["id"]) for job in _jobs(server.get("/api/jobs"))]
    return [_full_id(name, known) for name in names]


def _full_id(name: str, known: Sequence[str]) -> str:
    fitting = [id for id in known if id.startswith(name)]
    if len(fitting) == 1 or name in fitting:
        return name if name in fitting else fitting[0]
    raise Refused(
        f"{'Several jobs have ids that begin' if fitting else 'No job has an id that begins'} with {name!r}."
    )


def _jobs(page: Object) -> list[Object]:
    return cast("list[Object]", page["jobs"])


def _list(server: Remote) -> Object:
    """What runs, then what waits, the next one first."""
    page = server.get(f"/api/jobs?status={quote(WAITING)}&sort_order=asc")
    jobs = sorted(_jobs(page), key=lambda job: (job["status"] == "pending", cast("float", job["priority"])))
    return {"paused": server.get("/api/weft/status")["queue_paused"], "jobs": jobs}


def _in_words(act: str, answer: Object) -> str:
    if act == "list":
        paused = "The queue is paused: `weft queue resume` lets it go on." if answer["paused"] else ""
        lines = [line for line in (paused, *(_line(job) for job in _jobs(answer))) if line]
        return "\n".join(lines) or "Nothing waits and nothing runs."
    if act == "cancel":
        return "Cancelled." if answer["cancelled"] else "None of these waits or runs."
    if act == "move":
        return "\n".join(cast("list[str]", answer["moved"])) or "None of these waits."
    if act == "retry":
        queued = [f"{job['retry_of']} is tried again as {job['prompt_id']}" for job in _jobs(answer)]
        return "\n".join(queued) or "There is nothing to try again."
    changed = "\n".join(cast("list[str]", answer["jobs"]))
    return changed or f"The queue is {'paused' if answer['paused'] else 'not paused'}."


def _line(job: Object) -> str:
    held = "on hold" if job.get("paused") else "waits"
    state = held if job["status"] == "pending" else "runs"
    since = datetime.fromtimestamp(cast("int", job["create_time"]) / 1000)
    return f"{job['id']}  {state:<7}  queued {since:%Y-%m-%d %H:%M:%S}"
