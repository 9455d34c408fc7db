"""A pack with websockets of its own."""

from server import PromptServer, web

NODE_CLASS_MAPPINGS = {}
routes = PromptServer.instance.routes
ended = []


@routes.get("/sockets/echo")
async def echo(request):
    socket = web.WebSocketResponse(protocols=("second", "first"))
    await socket.prepare(request)
    await socket.send_json({"query": dict(request.query), "host": request.host, "cookies": dict(request.cookies)})
    async for message in socket:
        if message.type == web.WSMsgType.TEXT and message.data.startswith("close "):
            await socket.close(code=int(message.data[6:]), message="as asked".encode())
        elif message.type == web.WSMsgType.TEXT and message.data.startswith("large "):
            await socket.send_bytes(bytes(int(message.data[6:])))
        elif message.type == web.WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
        elif message.type == web.WSMsgType.BINARY:
            await socket.send_bytes(message.data[::-1])
    ended.append(socket.close_code)
    return socket


@routes.get("/sockets/ended")
async def how_they_ended(request):
    return web.json_response(ended)


@routes.get("/sockets/goes")
async def goes(request):
    """Ends by returning."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    return socket


@routes.get("/sockets/pings")
async def pings(request):
    """Says what its ping brought back."""
    socket = web.WebSocketResponse(autoping=False)
    await socket.prepare(request)
    await socket.ping(b"there?")
    message = await socket.receive()
    await socket.send_json([message.type.name, message.data.decode()])
    return socket


@routes.get("/sockets/strict")
async def strict(request):
    """Fails when its client leaves, as many do."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    try:
        while True:
            await socket.send_str(await socket.receive_str())
    finally:
        ended.append(socket.close_code)


@routes.get("/sockets/fails")
async def fails(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    raise LookupError("nobody " + await socket.receive_str())


@routes.get("/sockets/forbids")
async def forbids(request):
    raise web.HTTPForbidden


@routes.get("/sockets/plain")
async def plain(request):
    return web.Response(text="plain")


@routes.get("/sockets/detour")
async def detour(request):
    raise web.HTTPFound("/sockets/echo")
