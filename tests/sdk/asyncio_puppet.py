"""The SDK for Python, as a puppet of tests/sdk/puppet.py.

    asyncio_puppet.py json|protobuf
"""

import asyncio
import json
import sys

from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    StreamPosition,
    SubscriptionEventHandler,
)

PROTOBUF = sys.argv[1] == "protobuf"


def tell(client, event, **fields):
    print(json.dumps({"client": client, "event": event, **fields}), flush=True)


def encode(data):
    return json.dumps(data).encode() if PROTOBUF else data


def decode(data):
    return json.loads(data) if PROTOBUF else data


def told(publication):
    info = publication.info
    return {"data": decode(publication.data), "offset": publication.offset or 0,
            "user": info.user if info else None, "by": info.client if info else None}


def subscribed(context):
    position = context.stream_position
    return {"recoverable": context.recoverable, "positioned": context.positioned,
            "was_recovering": context.was_recovering, "recovered": context.recovered,
            "offset": position.offset if position else 0, "epoch": position.epoch if position else ""}


class Tokens:
    """A getter: the next token each time, and the last one again."""

    def __init__(self, client, channel, tokens):
        self.client, self.channel, self.tokens = client, channel, list(tokens)

    async def __call__(self, *_):
        tell(self.client, "token", channel=self.channel)
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


class OfClient(ClientEventHandler):
    """Tells what happens to a client and in its server-side channels."""

    def __init__(self, name):
        self.name = name

    def _tell(self, event, channel, **fields):
        tell(self.name, event, channel=channel, server=True, **fields)

    async def on_connecting(self, ctx):
        tell(self.name, "connecting", code=ctx.code)

    async def on_connected(self, ctx):
        tell(self.name, "connected", id=ctx.client)

    async def on_disconnected(self, ctx):
        tell(self.name, "disconnected", code=ctx.code)

    async def on_error(self, ctx):
        tell(self.name, "error", code=ctx.code)

    async def on_subscribed(self, ctx):
        self._tell("subscribed", ctx.channel, **subscribed(ctx))

    async def on_subscribing(self, ctx):
        self._tell("subscribing", ctx.channel, code=0)

    async def on_unsubscribed(self, ctx):
        self._tell("unsubscribed", ctx.channel, code=0)

    async def on_publication(self, ctx):
        self._tell("publication", ctx.channel, **told(ctx.pub))

    async def on_join(self, ctx):
        self._tell("join", ctx.channel, user=ctx.info.user, who=ctx.info.client)

    async def on_leave(self, ctx):
        self._tell("leave", ctx.channel, user=ctx.info.user, who=ctx.info.client)


class OfSubscription(SubscriptionEventHandler):
    """Tells what happens to a subscription."""

    def __init__(self, name, channel):
        self.name, self.channel = name, channel

    def _tell(self, event, **fields):
        tell(self.name, event, channel=self.channel, server=False, **fields)

    async def on_subscribing(self, ctx):
        self._tell("subscribing", code=ctx.code)

    async def on_subscribed(self, ctx):
        self._tell("subscribed", **subscribed(ctx))

    async def on_unsubscribed(self, ctx):
        self._tell("unsubscribed", code=ctx.code)

    async def on_publication(self, ctx):
        self._tell("publication", **told(ctx.pub))

    async def on_join(self, ctx):
        self._tell("join", user=ctx.info.user, who=ctx.info.client)

    async def on_leave(self, ctx):
        self._tell("leave", user=ctx.info.user, who=ctx.info.client)

    async def on_error(self, ctx):
        self._tell("error", code=ctx.code)


def token_options(command, channel):
    if "tokens" in command:
        return {"get_token": Tokens(command["client"], channel, command["tokens"])}
    return {"token": command.get("token", "")}


async def publish(client, command):
    await client.publish(command["channel"], encode(command["data"]))
    return {}


async def presence(client, command):
    found = await client.presence(command["channel"])
    return {each: {"user": info.user, "client": info.client} for each, info in found.clients.items()}


async def presence_stats(client, command):
    found = await client.presence_stats(command["channel"])
    return {"clients": found.num_clients, "users": found.num_users}


async def history(client, command):
    since = command.get("since")
    position = StreamPosition(since["offset"], since["epoch"]) if since else None
    found = await client.history(command["channel"], limit=command.get("limit", 0), since=position,
                                 reverse=command.get("reverse", False))
    return {"publications": [told(each) for each in found.publications], "offset": found.offset, "epoch": found.epoch}


CALLS = {"publish": publish, "presence": presence, "presence_stats": presence_stats, "history": history}


class Puppet:
    """All clients of this process."""

    def __init__(self):
        self.clients, self.tasks = {}, set()

    def open(self, command):
        name = command["client"]
        self.clients[name] = Client(
            command["url"], events=OfClient(name), use_protobuf=PROTOBUF, proxy=None,
            min_reconnect_delay=0.1, max_reconnect_delay=1, max_server_ping_delay=command["ping_delay_ms"] / 1000,
            **token_options(command, ""))

    def perform(self, command):
        """Begins what the command says, in order; its end is told."""
        if command["do"] == "open":
            self.open(command)
            return
        # The loop keeps only weak references to tasks.
        task = asyncio.get_running_loop().create_task(self.perform_on(self.clients[command["client"]], command))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def perform_on(self, client, command):
        do, name, channel = command["do"], command["client"], command.get("channel")
        if do in CALLS:
            try:
                tell(name, "result", call=command["call"], value=await CALLS[do](client, command))
            except CentrifugeError as error:
                tell(name, "failure", call=command["call"], code=getattr(error, "code", 0))
            return
        subscription = client.get_subscription(channel) if channel else None
        if do == "subscribe" and not subscription:
            delays = {} if command.get("usual_delays") else {"min_resubscribe_delay": 0.1, "max_resubscribe_delay": 1}
            subscription = client.new_subscription(
                channel, events=OfSubscription(name, channel), join_leave=command.get("join_leave", False),
                **delays, **token_options(command, channel))
        await getattr(subscription or client, do)()


async def main():
    puppet = Puppet()
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        puppet.perform(json.loads(line))


asyncio.run(main())
