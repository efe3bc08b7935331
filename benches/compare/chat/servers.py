"""The servers of the comparison, each alone on processor 0 and listening on a port of its own."""

import os
import signal
import subprocess
import time
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


class Server:
    """A process of its own for one run."""

    def __init__(self, programs, name, kind, log):
        self.name, self.log = name, log
        self.port = runs.free_port()
        environment = dict(os.environ)
        if name == "centrifugo":
            command = [programs.centrifugo, "-c", CONFIGURATION]
            environment |= CENTRIFUGO | {"CENTRIFUGO_HTTP_SERVER_PORT": str(self.port)}
        else:
            program = {"before": programs.before, "copied": programs.copied}.get(name, programs.fanring)
            command = [program, "--listen", f"127.0.0.1:{self.port}", "--shards", "1", "--pin"]
            command += [] if kind == "builds" else ["--config", CONFIGURATION]
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                ["taskset", "-c", "0", *command], stdout=out, stderr=out, env=environment, start_new_session=True
            )

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        try:
            runs.await_port(self.port, self.process, self.name, self.log)
        except runs.CannotRun:
            self.__exit__()
            raise
        time.sleep(0.3)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(runs.STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def resident_bytes(self):
        """What of it is in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
