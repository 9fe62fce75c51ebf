"""Lesson 3, the notes' section *Pool: apply*, in Python: one task at a time, however many workers.

    python3 lesson03_apply/original.py

You decide which task ends when: `--finish 2,3,1,4`.
"""

import multiprocessing
import os
import sys
from multiprocessing import Pool
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "common" / "python"))
import course
from course import Span, delay_function, heading, overlap, wall

flags = course.parse("Lesson 3: Pool.apply", size=600, workers=5, calls=["apply", "map"])
workers = flags.workers


def timed(x):
    return Span(lambda: delay_function(x))


def show(call, spans):
    took_part = len({span.pid for span in spans})
    at_once = f"at most {overlap(spans)} at a time"
    print(f"{call:<9} {wall(spans):>5.2f} s   {at_once}   by {took_part} of {workers} workers")


heading("apply, five times: each call waits for its result")
# ANCHOR: apply
with Pool(workers) as pool:
    applied = []
    for ii in range(5):
        applied.append(pool.apply(timed, [ii]))
print("each task started after the one before it had ended")
# ANCHOR_END: apply

heading("map: the same five tasks")
# ANCHOR: map
with Pool(workers) as pool:
    mapped = pool.map(timed, range(5))
# ANCHOR_END: map

heading("Side by side")
show("apply ×5", applied)
show("map", mapped)

heading("When apply is right: one task that must not run in this process")


# ANCHOR: crash
def crashes(x):
    print(f"start from {x}, and abort")
    os.abort()


with Pool(workers) as pool:
    print("the next task aborts; apply would wait for it for ever, so with a timeout:")
    try:
        pool.apply_async(crashes, [6]).get(timeout=1)
    except multiprocessing.TimeoutError:
        print("TimeoutError after 1 s: nobody says that the worker died")
    print("main goes on, and so does the pool, with another worker:")
    print("result of 7:", pool.apply(delay_function, [7]))
# ANCHOR_END: crash
