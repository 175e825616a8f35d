"""What most people would write: a set of WebSockets and gather(send_text).

Run: uvicorn idiomatic_starlette:app --loop uvloop --http httptools
"""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

readers: set[WebSocket] = set()


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    readers.add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        readers.discard(websocket)


async def publish(request: Request) -> PlainTextResponse:
    text = (await request.body()).decode()
    await asyncio.gather(*(reader.send_text(text) for reader in list(readers)), return_exceptions=True)
    return PlainTextResponse("ok")


app = Starlette(routes=[WebSocketRoute("/ws", stream), Route("/pub", publish, methods=["POST"])])
