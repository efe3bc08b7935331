#!/usr/bin/env python3
"""A broadcast server that wants a join message and an envelope, and may be slow on purpose.

    join_server.py PORT [--delay-ms N]

A client says {"type":"join","room":R}, then {"type":"publish","room":R,"data":D}; everybody in the room,
the publisher too, gets {"type":"message","room":R,"data":D}, with --delay-ms so much later. Who publishes
without having joined is closed with 1008. Prints "listening" when it is ready.
"""

import argparse
import asyncio
import collections
import json

import websockets
from websockets.asyncio.server import broadcast, serve

rooms = collections.defaultdict(set)


async def session(socket, delay):
    """Serves one client until it goes."""
    joined = set()
    try:
        async for text in socket:
            message = json.loads(text)
            room = message["room"]
            if message["type"] == "join":
                rooms[room].add(socket)
                joined.add(room)
            elif room in joined:
                out = json.dumps({"type": "message", "room": room, "data": message["data"]})
                asyncio.get_running_loop().call_later(delay, broadcast, rooms[room], out)
            else:
                await socket.close(1008, "join first")
    except websockets.ConnectionClosed:
        pass
    finally:
        for room in joined:
            rooms[room].discard(socket)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--delay-ms", type=float, default=0)
    args = parser.parse_args()
    handler = lambda socket: session(socket, args.delay_ms / 1000)
    async with serve(handler, "127.0.0.1", args.port, compression=None) as server:
        print("listening", flush=True)
        await server.serve_forever()


asyncio.run(main())
