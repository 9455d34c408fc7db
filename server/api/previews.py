"""Who is shown previews while a job runs."""

from server.api.websocket import Hub
from server.jobs.job import Job

PREVIEW_METHODS = frozenset({"none", "auto", "latent2rgb", "taesd"})  # a job may ask for; "default" is ours


def wants_previews(job: Job, always: bool | None, hub: Hub) -> bool:
    """Whether a job's client is shown previews: as the job says, else as the server was started.

    Else if it said that it understands them: plain clients take every binary message for a result.
    """
    if job.client is None:
        return False
    method = job.wish.extra.get("preview_method")
    if method in PREVIEW_METHODS:
        return method != "none"
    return hub.understands(job.client, "supports_preview_metadata") if always is None else always
