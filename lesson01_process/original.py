"""Lesson 1, the notes' sections *Counting the cores* and *Process*, in Python.

    python3 lesson01_process/original.py
"""

import multiprocessing
import os
import sys
import time
from multiprocessing import Process
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "common" / "python"))
import course
from course import delay_function, heading

course.parse("Lesson 1: processes", size=600, workers=2)


heading("How many processors are there? Three answers")
# ANCHOR: cpu_count
print(f"{multiprocessing.cpu_count():>3} logical: of the whole machine")
print(f"{len(os.sched_getaffinity(0)):>3} usable: those this process may use")
# ANCHOR_END: cpu_count
cores = {path.read_text() for path in Path("/sys/devices/system/cpu").glob("*/*/core_cpus_list")}
print(f"{len(cores) or '?':>3} physical: cores; Python does not count them, the kernel does")

heading("Two processes: start both, then wait for both")
# ANCHOR: process
p0 = Process(target=delay_function, args=(1,))
p1 = Process(target=delay_function, args=(2,))
p0.start()
p1.start()
print(f"started {p0.pid} and {p1.pid}; now p0.join()")
p0.join()
print(f"p0 is gone, its end line is above; is_alive of p1: {p1.is_alive()}")
p1.join()
print("after both joins, all that both had to print is above")
# ANCHOR_END: process

heading("Memory: the child has a copy")
# ANCHOR: memory
counter = 1


def add():
    global counter
    counter += 10
    print(f"I added 10, my counter is {counter}")


child = Process(target=add)
child.start()
child.join()
print(f"my counter is {counter}: what the child changed was its own copy")
# ANCHOR_END: memory

heading("Exit codes: how a process ended, seen from its parent")


def exitcode(target, *args):
    process = Process(target=target, args=args)
    process.start()
    process.join()
    return process.exitcode


# ANCHOR: exit_codes
def give_up():
    raise RuntimeError("the child gives up")


print("return   exitcode", exitcode(int))
print("exit(3)  exitcode", exitcode(sys.exit, 3))
print("the next one raises; the traceback on stderr is its own:")
print("raise    exitcode", exitcode(give_up))

sleeper = Process(target=time.sleep, args=(3600,))
sleeper.start()
sleeper.join(0.1)
print(f"a sleeper: after join(0.1) exitcode {sleeper.exitcode}, is_alive {sleeper.is_alive()}")
sleeper.kill()
sleeper.join()
print(f"kill()   exitcode {sleeper.exitcode}: it was killed by signal 9")
# ANCHOR_END: exit_codes
