#!/usr/bin/env python3
"""A naive client with the `websockets` package that measures the same fan-out as fanload.

    naive.py URL --subscribers N --rate R --duration S [--join] [--warmup S]

Every session is a coroutine; latency runs from when a message was due to when a coroutine got it. Prints
one line of JSON in milliseconds.
"""

import argparse
import asyncio
import json
import statistics
import time

from websockets.asyncio.client import connect


class Run:
    """Times of arrival of each message at each subscriber."""

    def __init__(self, args):
        self.args = args
        self.skipped = int(args.rate * args.warmup)
        self.total = self.skipped + int(args.rate * args.duration)
        self.arrivals = [[] for _ in range(self.total)]
        self.disorder = 0
        self.due = []

    async def subscribe(self, socket):
        """Notes what arrives until the session ends."""
        last = -1
        async for text in socket:
            now = time.monotonic()
            message = json.loads(text)
            number = int(message["data"] if self.args.join else message)
            self.arrivals[number].append(now)
            self.disorder += number != last + 1
            last = number

    async def publish(self, socket):
        """Sends every message when it is due, however late the others are."""
        start = time.monotonic() + 0.2
        self.due = [start + number / self.args.rate for number in range(self.total)]
        for number, due in enumerate(self.due):
            await asyncio.sleep(max(0, due - time.monotonic()))
            text = str(number)
            if self.args.join:
                text = json.dumps({"type": "publish", "room": "naive", "data": text})
            await socket.send(text)

    async def all_arrived(self):
        """Waits for the last message at the last subscriber; what is lost is not waited for for ever."""
        wanted = self.total * self.args.subscribers
        deadline = time.monotonic() + 30
        while sum(map(len, self.arrivals)) < wanted and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        # Nothing more may come, such as a message twice.
        await asyncio.sleep(0.5)

    def report(self):
        """What fanload reports, computed from every single sample."""
        deliveries, completions = [], []
        for due, arrivals in list(zip(self.due, self.arrivals))[self.skipped :]:
            deliveries += [now - due for now in arrivals]
            if len(arrivals) == self.args.subscribers:
                completions.append(max(arrivals) - due)
        ms = lambda values, share: statistics.quantiles(values, n=100)[share - 1] * 1e3
        return {
            "delivered": len(deliveries),
            "complete": len(completions),
            "disorder": self.disorder,
            "delivery_p50": ms(deliveries, 50),
            "completion_p50": ms(completions, 50),
            "completion_p90": ms(completions, 90),
        }


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--subscribers", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--duration", type=float, required=True)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--join", action="store_true")
    args = parser.parse_args()
    run = Run(args)
    sockets = [await connect(args.url, compression=None) for _ in range(args.subscribers + 1)]
    if args.join:
        # The publisher must have joined too, but it is in the room only to be allowed to publish.
        for socket in sockets:
            await socket.send(json.dumps({"type": "join", "room": "naive"}))
        # A ping is answered behind it.
        for socket in sockets:
            await (await socket.ping())
    tasks = [asyncio.create_task(run.subscribe(socket)) for socket in sockets[1:]]
    drainer = asyncio.create_task(drain(sockets[0]))
    await run.publish(sockets[0])
    await run.all_arrived()
    print(json.dumps(run.report()))
    for task in [*tasks, drainer]:
        task.cancel()
    await asyncio.gather(*(socket.close() for socket in sockets), return_exceptions=True)


async def drain(socket):
    """Reads what the publisher is sent."""
    async for _ in socket:
        pass


asyncio.run(main())
