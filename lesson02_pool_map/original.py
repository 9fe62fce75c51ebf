"""Lesson 2, the notes' section *Pool: map*, in Python: workers that live longer than one task.

    python3 lesson02_pool_map/original.py

You decide which task ends when: `--finish 2,3,1,4`.
"""

import sys
import time
from multiprocessing import Pool, Process
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "common" / "python"))
import course
from course import delay_function, delay_function_b, heading, largest_singular_value

calls = ["map", "imap", "imap_unordered"]
flags = course.parse("Lesson 2: Pool.map", size=500, workers=2, calls=calls)
workers, n, half = flags.workers, flags.size, max(flags.size // 2, 1)


heading("map: four tasks for the workers of one pool")
# ANCHOR: map
with Pool(workers) as pool:
    largest = pool.map(delay_function, [1, 2, 3, 4])
print("results of 1, 2, 3, 4:", largest)
# ANCHOR_END: map

heading("starmap: two arguments for each task")
# ANCHOR: starmap
with Pool(workers) as pool:
    tiny = pool.starmap(delay_function_b, [(1, 2), (3, 4)])
print("results:", tiny)
# ANCHOR_END: starmap

heading("Results come in the order of the input, whatever ends first")


# ANCHOR: order
def timed(x, y):
    value = delay_function_b(x, y)
    return time.monotonic(), value


shapes = [(n, n), (half, half), (half, n), (n, half)]
print("the four tasks:", shapes)
with Pool(workers) as pool:
    ends, values = zip(*pool.starmap(timed, shapes))
ended = sorted([1, 2, 3, 4], key=lambda task: ends[task - 1])
print("they ended in the order", ended)
print("the results of [1, 2, 3, 4]:", list(values))
# ANCHOR_END: order

heading("imap: each result as soon as it is its turn; imap_unordered: as soon as it is there")
TASKS = 20


def decompose(task):
    size = n if task % 5 == 1 else half
    with course.task(task):
        largest_singular_value(size, size)
    return task


def watch(name, results):
    start, first, order = time.monotonic(), None, []
    for result in results:
        first = first or (time.monotonic() - start, inputs_read)
        order.append(result)
    print(f"{name}: all {TASKS} after {time.monotonic() - start:.2f} s")
    print(f"the first after {first[0]:.2f} s, when {first[1]} of the {TASKS} inputs had been read")
    print("came:", *order)


# ANCHOR: imap
def lazy():
    global inputs_read
    for inputs_read in range(1, TASKS + 1):
        yield inputs_read


print(f"{TASKS} tasks; 1, 6, 11, 16 are larger than the others")
with Pool(workers) as pool:
    watch("imap", pool.imap(decompose, lazy()))
    watch("imap_unordered", pool.imap_unordered(decompose, lazy()))
# ANCHOR_END: imap

heading("What a process for each task costs, and what a warm pool costs")
MANY = 200


def trivial(x):
    return x + 1


def each(what, work):
    start = time.monotonic()
    work()
    print(f"{(time.monotonic() - start) / MANY * 1e6:>7.0f} µs  {what}")


# ANCHOR: cost
def processes():
    for x in range(MANY):
        process = Process(target=trivial, args=(x,))
        process.start()
        process.join()


print(f"{MANY} tasks that do next to nothing, in three ways; time for each task:")
each("a process started and joined for it", processes)
with Pool(workers) as pool:
    each("pool.apply", lambda: [pool.apply(trivial, [x]) for x in range(MANY)])
    each("pool.map, which sends several at once", lambda: pool.map(trivial, range(MANY)))
# ANCHOR_END: cost
