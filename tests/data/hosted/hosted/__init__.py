"""A pack that hangs everything on its host that a pack can."""

import time
from pathlib import Path

from PIL import Image
from server import BinaryEventTypes, PromptServer, web

instance = PromptServer.instance
instance.a_packs_own_attribute = 5
instance.supports.append("hosted")


def doing(body):
    return body.get("extra_data", {}).get("do", [])


def raises(body):
    if "raise" in doing(body):
        body["prompt"]["out"]["inputs"]["value"] = "half done"
        raise KeyError("it went wrong")
    return body


def gives_nothing(body):
    return None if "nothing" in doing(body) else body


def gives_garbage(body):
    return {"prompt": object()} if "garbage" in doing(body) else body


def hangs(body):
    while "hang" in doing(body):
        time.sleep(0.05)
    return body


def writes(body):
    if "write" in doing(body):
        body["prompt"]["out"]["inputs"]["value"] = "written by a handler"
        body["extra_data"]["seen"] = ["first"]
    if "break" in doing(body):
        body["prompt"]["out"]["class_type"] = "Nobody"
    return body


for handler in (raises, gives_nothing, gives_garbage, hangs, writes):
    instance.add_on_prompt_handler(handler)


class Tells:
    """Tells the client that queued it, and everybody, who runs."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"marker": ("STRING", {"default": ""})}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, marker):
        who = {"client": instance.client_id, "node": instance.last_node_id, "prompt": instance.last_prompt_id}
        instance.send_sync("hosted.all", {"marker": marker, **who})
        instance.send_sync("hosted.one", {"marker": marker}, instance.client_id)
        instance.send_sync("hosted.nobody", {"marker": marker}, "no client is called so")
        instance.send_sync(BinaryEventTypes.PREVIEW_IMAGE, b"\0\0\0\1" + b"jpeg", instance.client_id)
        picture = Image.new("RGBA", (64, 32))
        instance.send_sync(BinaryEventTypes.UNENCODED_PREVIEW_IMAGE, ("PNG", picture, 16), instance.client_id)
        metadata = {"node_id": "x"}
        instance.send_sync(BinaryEventTypes.PREVIEW_IMAGE_WITH_METADATA, (("JPEG", picture, None), metadata))
        instance.send_progress_text("a line", instance.last_node_id, instance.client_id)
        return {"ui": {"text": [str(instance.a_packs_own_attribute)]}}


class Asks(Tells):
    """Shows how the queue stands while it runs."""

    def run(self, marker):
        running, waiting = instance.prompt_queue.get_current_queue()
        told = [item[1] for item in running], len(waiting), instance.prompt_queue.get_tasks_remaining()
        return {"ui": {"text": [*told, running[0][2]["7"]["class_type"]]}}


NODE_CLASS_MAPPINGS = {"HostedTells": Tells, "HostedAsks": Asks}


# --- routes ---------------------------------------------------------------------------------------------------------

routes = instance.routes


@routes.get("/hosted/hello/{name}")
async def hello(request):
    return web.json_response({"hello": request.match_info["name"], "query": dict(request.query), "host": request.host})


@routes.post("/hosted/echo")
async def echo(request):
    body = await request.read()
    return web.Response(body=body, status=201, headers={"X-Hosted": request.headers.get("X-Asked", "")},
                        content_type=request.content_type)


@routes.get("/hosted/bit_by_bit")
async def bit_by_bit(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for index in range(3):
        await response.write(f"{index},".encode())
    await response.write_eof()
    return response


@routes.get("/hosted/fails")
async def fails(request):
    raise ValueError("the pack's own")


@routes.get("/hosted/elsewhere")
async def elsewhere(request):
    raise web.HTTPFound("/hosted/hello/you")


@routes.get("/hosted/tells")
async def tells(request):
    await instance.send("hosted.route", {"client": request.query["to"]}, request.query["to"])
    return web.Response()


@routes.get("/hosted/withdraw/{id}")
async def withdraw(request):
    gone = instance.prompt_queue.delete_queue_item(lambda item: item[1] == request.match_info["id"])
    return web.json_response({"gone": gone, **instance.get_queue_info()})


@routes.get("/hosted/wipe")
async def wipe(request):
    instance.prompt_queue.wipe_queue()
    done = instance.prompt_queue.get_history(max_items=1)
    return web.json_response({"done": list(done), **instance.get_queue_info()})


@routes.get("/queue")
async def not_the_servers(request):
    return web.json_response("a pack's")


@routes.get("/hosted/{no good")
async def never(request):
    return web.Response()


routes.static("/hosted/files", str(Path(__file__).parent / "web"))


async def added(request):
    return web.Response(text="added to the app")


instance.app.router.add_get("/hosted/added", added)
