"""How fast texts are read, on one core: records a second, the slowest of 60 lines, the load.

The records are made here, of the examples of the signatures and of ordinary lines, in the forms in
which programs log. With AUTOLOOP_CORPUS, a file of labelled records (see `scoring`), it is also
measured how often the answer is right, and how fast those records are read again and again.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scoring import records, scored

from autoloop.core.reading import text_engine
from autoloop.core.reading.signatures import book

RECORDS, LONG, REPEATED = 3000, 300, 10
GOALS = {
    "records_per_s": 2000.0,
    "corpus_records_per_s": 2000.0,
    "p99_ms_60_lines": 5.0,
    "load_s": 0.3,
}
FORMS = [
    "{}",
    "Mar  3 10:{:02}:07 web1 shop[{}]: {}",
    "2026-03-03 10:{:02}:07,123 ERROR [worker-{}] com.example.shop.Cart: {}",
    '{{"time":"2026-03-03T10:{:02}:07Z","pid":{},"level":"error","msg":"{}"}}',
    "2026/03/03 10:{:02}:07 [error] {}#0: *1 {}",
]
ORDINARY = [
    '10.0.0.{1} - - [03/Mar/2026:10:{0:02}:07 +0000] "GET /cart/{1} HTTP/1.1" 200 512 "-" "curl"',
    "2026-03-03 10:{:02}:07,123 INFO [worker-{}] com.example.shop.Cart: stored 3 items",
    "Mar  3 10:{:02}:07 web1 CRON[{}]: (root) CMD (run-parts /etc/cron.hourly)",
    'ts=2026-03-03T10:{:02}:07Z level=info msg="request served" id={}',
]


def line(chance: random.Random, trouble: float) -> str:
    """One line of a log."""
    minute, number = chance.randrange(60), chance.randrange(1, 255)
    if chance.random() > trouble:
        return chance.choice(ORDINARY).format(minute, number)
    example = chance.choice(EXAMPLES)
    form = chance.choice(FORMS)
    return form.format(example) if form == "{}" else form.format(minute, number, example)


EXAMPLES = [text for s in book().signatures for text, _ in s.examples]


def mixed(chance: random.Random) -> str:
    """A record as they come in: most are one line, some an excerpt of a log."""
    count = chance.choices([1, 5, 20, 60], [70, 18, 9, 3])[0]
    return "\n".join(line(chance, 0.7 if count == 1 else 0.2) for _ in range(count))


def milliseconds(texts: list[str]) -> list[float]:
    """The time each takes, on this core."""
    engine, found = text_engine(), []
    for text in texts:
        began = time.process_time_ns()
        engine.read(text)
        found.append((time.process_time_ns() - began) / 1e6)
    return sorted(found)


def load_seconds() -> float:
    """From nothing to the first answer in a new process, without the interpreter's own start."""
    code = (
        "import time; t = time.process_time()\n"
        "from autoloop.core.reading import text_engine\n"
        "text_engine().read('connection refused'); print(time.process_time() - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True) for _ in range(3)]
    return min(float(run.stdout) for run in runs)


def main() -> None:
    """Measure and print."""
    chance = random.Random(7)
    texts = [mixed(chance) for _ in range(RECORDS)]
    long = ["\n".join(line(chance, 0.25) for _ in range(60)) for _ in range(LONG)]
    for text in EXAMPLES:  # not counted: patterns are compiled at their first use
        text_engine().read(text)
    took = milliseconds(texts)
    longest = milliseconds(long)
    figures: dict[str, Any] = {
        "records": RECORDS,
        "records_per_s": round(1000 * len(took) / sum(took)),
        "p50_ms": round(took[len(took) // 2], 3),
        "p99_ms_60_lines": round(longest[int(0.99 * len(longest))], 2),
        "load_s": round(load_seconds(), 3),
        "load": round(os.getloadavg()[0], 1),
    }
    if corpus := os.environ.get("AUTOLOOP_CORPUS"):
        gold = records(Path(corpus))
        figures["corpus"] = scored(text_engine(), gold)
        again = milliseconds([row["text"] for row in gold] * REPEATED)
        figures["corpus_records_per_s"] = round(1000 * len(again) / sum(again))
    targets = [
        {
            "what": what,
            "goal": goal,
            "measured": figures[what],
            "met": figures[what] >= goal if what.endswith("per_s") else figures[what] <= goal,
        }
        for what, goal in GOALS.items()
        if what in figures
    ]
    for target in targets:
        print("{what:20} {measured:>10} goal {goal:>8} met {met}".format(**target))
    print(json.dumps({"bench": "diagnose", "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
