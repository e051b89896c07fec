"""How fast texts are read, on one core: records a second, the slowest of 60 lines, the load.

Each is asked for its first cause, and garbage is collected as seldom, as in the processes of
``autoloop diagnose --jsonl`` and ``autoloop watch``.
What else runs on a machine, or beside it on the same processor, slows a run by up to a half. So it
is measured in rounds, each with texts of its own; the median counts, and the best is told too.
The records are made here, of the examples of the signatures and of ordinary lines, in the forms in
which programs log. With AUTOLOOP_CORPUS, a file of labelled records (see `scoring`), it is also
measured how often the answer is right, and how fast those records are read again and again.
"""

import json
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from scoring import records, scored

from autoloop.core.reading import text_engine
from autoloop.core.reading.lasting import seldom
from autoloop.core.reading.signatures import book

RECORDS, LONG, ROUNDS = 1000, 200, 7
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
        engine.read(text, most=1)
        found.append((time.process_time_ns() - began) / 1e6)
    return sorted(found)


def load_seconds() -> float:
    """From nothing to the first answer in a new process, without the interpreter's own start.

    Modules are compiled in the first round and kept, as Python does unless it is told otherwise.
    """
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    code = (
        "import time; t = time.process_time()\n"
        "from autoloop.core.reading import text_engine\n"
        "text_engine().read('connection refused'); print(time.process_time() - t)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=env)
    return float(run.stdout)


def rate(took: list[float]) -> float:
    """Records a second."""
    return 1000 * len(took) / sum(took)


def told(what: str, rounds: list[float], digits: int | None = None) -> dict[str, float]:
    """The median of the rounds, and the best."""
    best = (max if what.endswith("per_s") else min)(rounds)
    return {what: round(median(rounds), digits), f"{what}_best": round(best, digits)}


def main() -> None:
    """Measure and print."""
    chance = random.Random(7)
    for text in EXAMPLES:  # not counted: patterns are compiled at their first use
        text_engine().read(text)
    rates, slow, loads, middle = [], [], [], []
    for _ in range(ROUNDS):
        took = milliseconds([mixed(chance) for _ in range(RECORDS)])
        longest = milliseconds(
            ["\n".join(line(chance, 0.25) for _ in range(60)) for _ in range(LONG)]
        )
        rates.append(rate(took))
        middle.append(took[len(took) // 2])
        slow.append(longest[int(0.99 * len(longest))])
        loads.append(load_seconds())
    figures: dict[str, Any] = {
        "records": RECORDS * ROUNDS,
        **told("records_per_s", rates),
        **told("p50_ms", middle, 3),
        **told("p99_ms_60_lines", slow, 2),
        **told("load_s", loads, 3),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    if corpus := os.environ.get("AUTOLOOP_CORPUS"):
        gold = records(Path(corpus))
        figures["corpus"] = scored(text_engine(), gold)
        texts = [row["text"] for row in gold]
        figures |= told("corpus_records_per_s", [rate(milliseconds(texts)) for _ in range(ROUNDS)])
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
    with seldom():
        main()
