"""The calls of `--finish`, and some more, directed from outside: `common/tests/python/forced.rs` decides
what comes after what, by the pipes that it lends, and forces the same orders on the Rust pool.

    forced.py CALL TASKS WORKERS DESCRIPTORS RUNS

RUNS has a character for each run: t if the `get` with a timeout is to come back without a result.
"""

import multiprocessing
import os
import sys
from multiprocessing import Pool, Process

import finish


def wait_for_turn(who):
    os.read(turnstiles[who], 1)


def tell(what):
    os.write(told, what.ljust(40).encode())


def task(x):
    tell(f"task {x} {os.getpid()}")
    for event in [f"start {x}", f"end {x}"]:
        wait_for_turn(x)
        tell(event)
    wait_for_turn(x)  # its result may be to come later
    return x


def sees(event, _text=""):
    """A call of main's has come back."""
    wait_for_turn(0)
    tell(event)


finish.gated, finish.says = task, sees


def map_in_chunks(pool, n):
    pool.map(task, range(1, n + 1), chunksize=2)
    sees("return")


def get_timeout(pool, n):
    result = pool.map_async(task, range(1, n + 1))
    sees("return")
    wait_for_turn(0)
    try:
        result.get(timeout=0 if run == "t" else 30)
        tell("got")
    except multiprocessing.TimeoutError:
        tell("timeout")
    result.get()
    sees("got")


def process(_, n):
    processes = [Process(target=task, args=[x]) for x in range(1, n + 1)]
    for x, p in enumerate(processes, 1):
        p.start()
        sees(f"started {x}")
    for x, p in enumerate(processes, 1):
        p.join()
        sees(f"joined {x}")


call, tasks, workers, descriptors, runs = sys.argv[1:]
told, *turnstiles = [int(number) for number in descriptors.split(",")]
program = globals().get(call) or getattr(finish, call)
if call == "process":
    for run in runs:
        program(None, int(tasks))
else:
    with Pool(int(workers)) as pool:
        for run in runs:
            program(pool, int(tasks))
