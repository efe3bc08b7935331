"""A reverse proxy that shows a server below a path, as `location /chat/ { proxy_pass http://upstream/; }`
does, one request to a connection.
"""

import re
import socket
import threading


class Proxy:
    """`/chat/...` on a port of its own is `/...` of the server. With `host` that is what the server
    gets as Host instead of what the browser sent, the mistake most often made."""

    PREFIX = b"/chat/"

    def __init__(self, upstream, host=None):
        self.upstream, self.host = upstream, host
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}/chat/{path}"

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(1 << 16)
                if not data:
                    return
                head += data
            method, target, rest = head.split(b" ", 2)
            if not target.startswith(self.PREFIX):
                client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                               b"Connection: close\r\n\r\n")
                return
            head = b" ".join((method, b"/" + target[len(self.PREFIX):], rest))
            if b"upgrade: websocket" not in head.lower():
                head = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"\r\nConnection: close", head)
            if self.host:
                host = b"\r\nHost: " + self.host.encode()
                head = re.sub(rb"(?i)\r\nhost: [^\r]*", host, head)
            with socket.create_connection(("127.0.0.1", self.upstream)) as server:
                server.sendall(head)
                back = threading.Thread(target=pipe, args=(server, client), daemon=True)
                back.start()
                pipe(client, server)
                back.join()


def pipe(source, sink):
    """Passes on what comes until either side has gone."""
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
