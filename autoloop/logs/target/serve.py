"""The log reader on a target: reads its task from standard input, writes what it finds.

Frames as those of the agent: two big-endian 32-bit lengths, a JSON head, no body. It ends with its
input. It goes on reading only when what it sent before was kept: at most `WINDOW` frames wait.
"""

import json
import os
import struct
import sys
import threading
import time

from autoloop.logs.target.scan import Words
from autoloop.logs.target.sources import sources_of
from autoloop.logs.target.watch import Watch

WINDOW = 2
ALIVE_S = 15.0
HEAD_LIMIT = 16 << 20
SHARE = 0.25
"""The part of one core that reading may use."""


class Line:
    """Standard input and output: the task, what was kept, what was found."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.writing = threading.Lock()
        self.free = threading.Semaphore(WINDOW)

    def receive(self):
        lengths = self.source.read(8)
        if len(lengths) < 8:
            return None
        size = struct.unpack(">II", lengths)[0]
        if size > HEAD_LIMIT:
            return None
        return json.loads(self.source.read(size).decode("utf-8"))

    def send(self, head):
        data = json.dumps(head).encode("ascii")
        with self.writing:
            self.sink.write(struct.pack(">II", len(data), 0) + data)
            self.sink.flush()

    def deliver(self, rows, states):
        self.free.acquire()
        self.send({"kind": "found", "rows": [row_of(row) for row in rows], "states": states})

    def tell(self, name, why):
        self.send({"kind": "missing", "name": name, "why": why})

    def listen(self):
        """Until the input ends, and with it this process."""
        while self.receive() is not None:
            self.free.release()
        os._exit(0)

    def live(self):
        while True:
            time.sleep(ALIVE_S)
            self.send({"kind": "alive"})


def row_of(folded):
    record = folded.record
    return {
        "source": folded.source,
        "count": folded.count,
        "last": folded.last,
        "text": told(record.text),
        "before": told(record.before),
        "after": told(record.after),
        "place": record.place,
    }


def told(data):
    """Bytes as JSON can hold them; what is no UTF-8 comes out as it went in."""
    return data.decode("utf-8", "surrogateescape")


def main():
    line = Line(sys.stdin.buffer, sys.stdout.buffer)
    task = line.receive()
    if task is None:
        return
    os.nice(10)
    sources = sources_of(task["sources"], task["states"])
    watch = Watch(sources, Words(), line.deliver, task.get("share", SHARE), tell=line.tell)
    threading.Thread(target=line.listen, daemon=True).start()
    threading.Thread(target=line.live, daemon=True).start()
    watch.run(lambda: True)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.stderr.write("autoloop-logs: %s: %s\n" % (type(error).__name__, error))
        os._exit(1)
