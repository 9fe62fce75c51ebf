"""Lesson 5, the notes' section *Timeout*, in Python: how long to wait, and what goes on meanwhile.

    python3 lesson05_timeout/original.py
"""

import multiprocessing
import sys
import time
from multiprocessing import Pool
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "common" / "python"))
import course
from course import delay_function, heading, states

flags = course.parse("Lesson 5: timeout", size=2000, workers=5)
workers, large, small = flags.workers, flags.size, max(flags.size // 5, 1)


def pids():
    return [process.pid for process in multiprocessing.active_children()]


heading("get with a timeout of 2 s, inside the pool's scope")
# ANCHOR: timeout
with Pool(workers) as pool:
    result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    try:
        print("ready within 2 s, so try a larger --size:", result.get(timeout=2))
    except multiprocessing.TimeoutError:
        print("multiprocessing.TimeoutError")
        print("the timeout ends the waiting, not the work")
    in_scope = pids()
    print("in scope:", states(in_scope))
print("after it:", states(in_scope))
# ANCHOR_END: timeout

# ANCHOR: after_scope
try:
    result.get(timeout=1)
except multiprocessing.TimeoutError:
    print("get after it: TimeoutError after 1 s; without a timeout it would wait for ever")
# ANCHOR_END: after_scope

heading("wait inside the scope, get with a timeout after it")
print(f"smaller matrices from here on: {small}×{small}")
flags.size = small
# ANCHOR: wait
start = time.monotonic()
with Pool(workers) as pool:
    result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    result.wait()
print(f"pool and wait took {time.monotonic() - start:.2f} s; then get with a timeout of 1 ms:")
print(result.get(timeout=0.001))
print("after wait the results are here: the timeout has no effect")
# ANCHOR_END: wait

heading("A limit that kills, and cancel: not in Python's pool")
flags.size = large
# ANCHOR: terminate
with Pool(workers) as pool:
    pool.map_async(delay_function, [1, 2, 3, 4, 5])
    time.sleep(0.3)
    in_scope = pids()
    pool.terminate()
print("terminate ends the pool, with all its tasks; there is nothing to end one task")
print("after it:", states(in_scope))
# ANCHOR_END: terminate
