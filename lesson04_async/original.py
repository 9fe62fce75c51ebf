"""Lesson 4, the notes' section *Asynchronous*, in Python: calls that return before their tasks have
ended.

    python3 lesson04_async/original.py

You decide which task ends when: `--finish 2,3,1,4`.
"""

import sys
import time
from multiprocessing import Pool
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "common" / "python"))
import course
from course import Span, delay_function, delay_function_b, heading, overlap, wall

calls = ["map_async", "apply_async", "wait in the loop"]
flags = course.parse("Lesson 4: map_async", size=500, workers=5, calls=calls)
workers, n, half, small = flags.workers, flags.size, max(flags.size // 2, 1), max(flags.size // 5, 1)


heading("map_async: the call returns at once, get waits")
# ANCHOR: map_async
with Pool(workers) as pool:
    start = time.monotonic()
    result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    print(f"map_async returned after {time.monotonic() - start:.6f} s; ready: {result.ready()}")
    own = 0
    while not result.ready():
        course.largest_singular_value(small, small)
        own += 1
    print(f"ready after {time.monotonic() - start:.2f} s; meanwhile main did {own} matrices of its own")
    print("get:", result.get())
print("ending")
# ANCHOR_END: map_async

heading("wait inside the pool's scope, get after it")
# ANCHOR: wait
with Pool(workers) as pool:
    result = pool.map_async(delay_function, [1, 2, 3, 4, 5])
    result.wait()
print("the pool is gone, the results are here")
output = result.get()
print("get:", output)
print("ending")
# ANCHOR_END: wait

heading("starmap_async: the same with two arguments")
# ANCHOR: starmap_async
with Pool(workers) as pool:
    result = pool.starmap_async(delay_function_b, [(n, half), (half, n), (half, half)])
    print("main is here, ready:", result.ready())
    print("get:", result.get())
# ANCHOR_END: starmap_async


def timed(x):
    return Span(lambda: delay_function(x))


def show(way, spans):
    print(f"{way:<18} {wall(spans):>5.2f} s   at most {overlap(spans)} at a time")


heading("apply_async in a loop, get after the loop")
# ANCHOR: apply_async
results = []
with Pool(workers) as pool:
    for ii in range(4):
        results.append(pool.apply_async(timed, [ii]))
    after_loop = [r.get() for r in results]
print("ending")
# ANCHOR_END: apply_async

heading("apply_async in a loop, wait inside the loop")
# ANCHOR: wait_in_loop
in_loop = []
with Pool(workers) as pool:
    for ii in range(4):
        r = pool.apply_async(timed, [ii])
        r.wait()
        in_loop.append(r.get())
print("ending")
# ANCHOR_END: wait_in_loop

heading("Side by side")
show("get after the loop", after_loop)
show("wait in the loop", in_loop)
