"""A broadcast server on PyPI websockets as its documentation shows it: websockets.broadcast to a set.

    python3 server.py [PORT]     Prints "listening" when it is ready.
"""

import asyncio
import gc
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def session(connection: ServerConnection) -> None:
    """Takes one member's messages until it leaves."""
    assert connection.request is not None
    room = rooms[connection.request.path]
    room.add(connection)
    try:
        async for message in connection:
            broadcast(room - {connection}, message)
    finally:
        room.discard(connection)


async def main(port: int) -> None:
    """Serves until it is stopped."""
    options = {"compression": None, "max_size": None, "ping_interval": None, "backlog": 4096}
    async with serve(session, "127.0.0.1", port, **options):
        # Thousands of live connections are walked in vain by every collection.
        gc.freeze()
        print("listening", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9007))
    except KeyboardInterrupt:
        pass
