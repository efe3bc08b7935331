"""The servers of the comparison, each alone on processor 0 and listening on a port of its own."""

import os
from pathlib import Path

from .. import runs

CONFIGURATION = Path("benches/peers/chat/chat.toml").resolve()
# Its best settings for this: one processor, and buffers that are small and shared.
CENTRIFUGO = {
    "GOMAXPROCS": "1",
    "CENTRIFUGO_LOG_LEVEL": "error",
    "CENTRIFUGO_HTTP_SERVER_ADDRESS": "127.0.0.1",
    "CENTRIFUGO_WEBSOCKET_USE_WRITE_BUFFER_POOL": "true",
    "CENTRIFUGO_WEBSOCKET_READ_BUFFER_SIZE": "512",
    "CENTRIFUGO_WEBSOCKET_WRITE_BUFFER_SIZE": "512",
}


class Server(runs.Process):
    """A process of its own for one run."""

    def __init__(self, programs, name, kind, log):
        port, environment = runs.free_port(), None
        if name == "centrifugo":
            command = [programs.centrifugo, "-c", CONFIGURATION]
            environment = dict(os.environ) | CENTRIFUGO | {"CENTRIFUGO_HTTP_SERVER_PORT": str(port)}
        elif name == "relay":
            command = [programs.relay, "--listen", f"127.0.0.1:{port}", "--form", "multishot"]
        else:
            program = {"before": programs.before, "copied": programs.copied}.get(name, programs.fanring)
            command = [program, "--listen", f"127.0.0.1:{port}", "--shards", "1", "--pin"]
            # 19,000 sessions take nearly all descriptors that a process has here.
            command += ["--http-connections-max", "64"] if kind == "builds" else ["--config", CONFIGURATION]
        super().__init__(name, port, ["taskset", "-c", "0", *command], log, environment)

    def resident_bytes(self):
        """What of it is in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
