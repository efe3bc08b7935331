"""Commands and replies of the client protocol in Protobuf, to and from the shape that they have in JSON.

The table below has the fields of every message with their numbers; what is not in it is told as `field N`. Fields of zero
value are left out, as proto3 has it. Payloads (`raw`) that are JSON are shown as JSON, others as `{"bytes": hex}`.
"""

import json
import struct


class Malformed(Exception):
    """Bytes that are no message."""


PUBLICATION = {
    "data": (4, "raw"), "info": (5, "ClientInfo"), "offset": (6, "uint"), "tags": (7, "map string"),
    "delta": (8, "bool"), "time": (9, "int"), "channel": (10, "string"), "key": (11, "string"),
    "removed": (12, "bool"), "score": (13, "zigzag"), "epoch": (14, "string"), "prev_data": (15, "raw"),
    "version": (16, "uint"),
}
SUBSCRIBE_RESULT = {
    "expires": (1, "bool"), "ttl": (2, "uint"), "recoverable": (3, "bool"), "epoch": (6, "string"),
    "publications": (7, "list Publication"), "recovered": (8, "bool"), "offset": (9, "uint"),
    "positioned": (10, "bool"), "data": (11, "raw"), "was_recovering": (12, "bool"), "delta": (13, "bool"),
    "id": (14, "int"), "type": (15, "int"), "phase": (16, "int"), "cursor": (17, "string"),
    "state": (18, "list Publication"), "publish_debounce": (19, "uint"),
}
CONNECT_RESULT = {
    "client": (1, "string"), "version": (2, "string"), "expires": (3, "bool"), "ttl": (4, "uint"),
    "data": (5, "raw"), "subs": (6, "map SubscribeResult"), "ping": (7, "uint"), "pong": (8, "bool"),
    "session": (9, "string"), "node": (10, "string"), "time": (11, "int"), "flag": (12, "int"),
}
REQUESTS = {
    "connect": 4, "subscribe": 5, "unsubscribe": 6, "publish": 7, "presence": 8, "presence_stats": 9,
    "history": 10, "ping": 11, "send": 12, "rpc": 13, "refresh": 14, "sub_refresh": 15,
}
RESULTS = {
    "connect": 5, "subscribe": 6, "unsubscribe": 7, "publish": 8, "presence": 9, "presence_stats": 10,
    "history": 11, "ping": 12, "rpc": 13, "refresh": 14, "sub_refresh": 15,
}
EMPTY = {}
MESSAGES = {
    "Command": {"id": (1, "uint")} | {name: (at, f"{name} request") for name, at in REQUESTS.items()},
    "Reply": {"id": (1, "uint"), "error": (2, "Error"), "push": (4, "Push")}
    | {name: (at, f"{name} result") for name, at in RESULTS.items()},
    "Error": {"code": (1, "uint"), "message": (2, "string"), "temporary": (3, "bool")},
    "Publication": PUBLICATION,
    "ClientInfo": {"user": (1, "string"), "client": (2, "string"), "conn_info": (3, "raw"), "chan_info": (4, "raw")},
    "SubscribeResult": SUBSCRIBE_RESULT,
    "Position": {"offset": (1, "uint"), "epoch": (2, "string")},
    "Filter": {
        "op": (1, "string"), "key": (2, "string"), "cmp": (3, "string"), "val": (4, "string"),
        "vals": (5, "list string"), "nodes": (6, "list Filter"),
    },
    "Push": {
        "id": (1, "int"), "channel": (2, "string"), "pub": (4, "Publication"), "join": (5, "Person"),
        "leave": (6, "Person"), "unsubscribe": (7, "Unsubscribed"), "message": (8, "Message"),
        "subscribe": (9, "Subscribed"), "connect": (10, "connect result"), "disconnect": (11, "Disconnected"),
        "refresh": (12, "Refreshed"),
    },
    "Person": {"info": (1, "ClientInfo")},
    "Unsubscribed": {"code": (2, "uint"), "reason": (3, "string")},
    "Message": {"data": (1, "raw")},
    "Subscribed": {
        "recoverable": (1, "bool"), "epoch": (4, "string"), "offset": (5, "uint"), "positioned": (6, "bool"),
        "data": (7, "raw"),
    },
    "Disconnected": {"code": (1, "uint"), "reason": (2, "string"), "reconnect": (3, "bool")},
    "Refreshed": {"expires": (1, "bool"), "ttl": (2, "uint")},
    "connect request": {
        "token": (1, "string"), "data": (2, "raw"), "subs": (3, "map subscribe request"), "name": (4, "string"),
        "version": (5, "string"), "headers": (6, "map string"), "flag": (7, "int"), "dict": (8, "string"),
        "profile": (9, "string"),
    },
    "connect result": CONNECT_RESULT,
    "subscribe request": {
        "channel": (1, "string"), "token": (2, "string"), "recover": (3, "bool"), "epoch": (6, "string"),
        "offset": (7, "uint"), "data": (8, "raw"), "positioned": (9, "bool"), "recoverable": (10, "bool"),
        "join_leave": (11, "bool"), "delta": (12, "string"), "tf": (13, "Filter"), "flag": (14, "int"),
        "type": (15, "int"), "phase": (16, "int"), "cursor": (17, "string"), "limit": (18, "int"), "asc": (19, "bool"),
    },
    "subscribe result": SUBSCRIBE_RESULT,
    "unsubscribe request": {"channel": (1, "string")},
    "unsubscribe result": EMPTY,
    "publish request": {
        "channel": (1, "string"), "data": (2, "raw"), "type": (3, "int"), "key": (4, "string"), "removed": (5, "bool"),
    },
    "publish result": EMPTY,
    "presence request": {"channel": (1, "string")},
    "presence result": {"presence": (1, "map ClientInfo")},
    "presence_stats request": {"channel": (1, "string")},
    "presence_stats result": {"num_clients": (1, "uint"), "num_users": (2, "uint")},
    "history request": {
        "channel": (1, "string"), "limit": (7, "int"), "since": (8, "Position"), "reverse": (9, "bool"),
    },
    "history result": {"publications": (1, "list Publication"), "epoch": (2, "string"), "offset": (3, "uint")},
    "ping request": EMPTY,
    "ping result": EMPTY,
    "send request": {"data": (1, "raw")},
    "rpc request": {"data": (1, "raw"), "method": (2, "string")},
    "rpc result": {"data": (1, "raw")},
    "refresh request": {"token": (1, "string")},
    "refresh result": {"client": (1, "string"), "version": (2, "string"), "expires": (3, "bool"), "ttl": (4, "uint")},
    "sub_refresh request": {"channel": (1, "string"), "token": (2, "string"), "type": (3, "int")},
    "sub_refresh result": {"expires": (1, "bool"), "ttl": (2, "uint")},
}
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
NUMBERS = ("uint", "int", "zigzag", "bool")


def varint(number):
    """Seven bits a byte, the lowest first; a negative number as its 64 bits."""
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def field(number, kind, value):
    """One field with its tag; nothing when the value is zero, which a message never is."""
    if kind in NUMBERS:
        value = int(value)
        if kind == "zigzag":
            value = value << 1 ^ value >> 63
        return varint(number << 3 | VARINT) + varint(value) if value else b""
    if kind == "string":
        value = value.encode()
    elif kind == "raw":
        value = payload(value)
    else:
        value = encode(kind, value)
        return varint(number << 3 | LENGTH) + varint(len(value)) + value
    return varint(number << 3 | LENGTH) + varint(len(value)) + value if value else b""


def payload(value):
    """The bytes of a payload: of its JSON, unless it is {"bytes": hex}."""
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return bytes.fromhex(value["bytes"])
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def encode(kind, message):
    """A message of that kind; members that it does not have are left out."""
    table, encoded = MESSAGES[kind], b""
    for name, value in message.items():
        if name not in table or value is None:
            continue
        number, shape = table[name]
        if shape.startswith("list "):
            items = value if isinstance(value, list) else [value]
            encoded += b"".join(field(number, shape[5:], item) for item in items)
        elif shape.startswith("map "):
            for key, item in value.items():
                entry = field(1, "string", key) + field(2, shape[4:], item)
                encoded += varint(number << 3 | LENGTH) + varint(len(entry)) + entry
        else:
            encoded += field(number, shape, value)
    return encoded


def frame(commands):
    """One frame with all of these commands, each behind its length."""
    encoded = [encode("Command", command) for command in commands]
    return b"".join(varint(len(each)) + each for each in encoded)


class Reader:
    """Bytes that are taken from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        if self.left() < count:
            raise Malformed(f"{count} bytes are wanted and {self.left()} are left")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
            if shift > 63:
                raise Malformed("a number of more than ten bytes")

    def value(self, wire):
        if wire == VARINT:
            return self.varint()
        if wire == LENGTH:
            return self.take(self.varint())
        if wire == FIXED64:
            return struct.unpack("<Q", self.take(8))[0]
        if wire == FIXED32:
            return struct.unpack("<I", self.take(4))[0]
        raise Malformed(f"wire type {wire}")


def shown(kind, value):
    """A field's value in the shape it has in JSON."""
    if kind in NUMBERS:
        if not isinstance(value, int):
            raise Malformed(f"{kind} as {value!r}")
        if kind == "bool":
            return bool(value)
        if kind == "zigzag":
            return value >> 1 ^ -(value & 1)
        return value - (1 << 64) if kind == "int" and value >> 63 else value
    if not isinstance(value, bytes):
        raise Malformed(f"{kind} as {value!r}")
    if kind == "string":
        return value.decode()
    if kind == "raw":
        try:
            return json.loads(value)
        except ValueError:
            return {"bytes": value.hex()}
    return decode(kind, value)


def entry(kind, data):
    """Key and value of one entry of a map."""
    key, value = "", "" if kind == "string" else {}
    reader = Reader(data)
    while reader.left():
        tag = reader.varint()
        found = reader.value(tag & 7)
        if tag >> 3 == 1:
            key = found.decode()
        else:
            value = shown(kind, found)
    return key, value


def decode(kind, data):
    """The message of that kind, with what was sent of it."""
    names = {number: (name, shape) for name, (number, shape) in MESSAGES[kind].items()}
    message, reader = {}, Reader(data)
    while reader.left():
        tag = reader.varint()
        value = reader.value(tag & 7)
        name, shape = names.get(tag >> 3, (f"field {tag >> 3}", ""))
        if not shape:
            message[name] = value.hex() if isinstance(value, bytes) else value
        elif shape.startswith("list "):
            message.setdefault(name, []).append(shown(shape[5:], value))
        elif shape.startswith("map "):
            key, item = entry(shape[4:], value)
            message.setdefault(name, {})[key] = item
        else:
            message[name] = shown(shape, value)
    return message


def replies(data):
    """All replies in a frame."""
    found, reader = [], Reader(data)
    while reader.left():
        found.append(decode("Reply", reader.take(reader.varint())))
    return found
