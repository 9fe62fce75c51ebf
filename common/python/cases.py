"""What `multiprocessing` does in the cases in which one asks: the Python halves of the pairs in
`common/tests/python/`.

    python3 common/python/cases.py a_task_that_exits

A case prints one line. Where it hangs, the line says what was seen of that; then the process stays
for whoever kills its group.
"""

import itertools
import multiprocessing
import os
import random
import select
import signal
import sys
import threading
import time
from multiprocessing import Pool, Process
from multiprocessing.connection import Connection, wait

import finish  # and with it the start method of the course

# How long a case waits for what cannot come any more: with another length it would say the same.
A_WHILE = 0.2


class Gate:
    """Holds every process that waits until one of them opens it. To be made before the fork."""

    def __init__(self):
        self.reader, self.writer = os.pipe()

    def wait(self):
        self.is_open(None)

    def is_open(self, timeout=0):
        return bool(select.select([self.reader], [], [], timeout)[0])

    def open(self):
        os.write(self.writer, b"!")


class Counter:
    """Counts what happens in any process. To be made before the fork."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        self.count = 0

    def increment(self):
        os.write(self.writer, b"!")

    def wait_for(self, count):
        while self.count < count:
            self.count += len(os.read(self.reader, 4096))

    def get(self):
        while select.select([self.reader], [], [], 0)[0]:
            self.count += len(os.read(self.reader, 4096))
        return self.count


def eventually(condition):
    while not condition():
        time.sleep(0.001)


def pids():
    return {process.pid for process in multiprocessing.active_children()}


def seen(call, *args, **kwargs):
    """What a call gives or raises."""
    try:
        return call(*args, **kwargs)
    except Exception as error:
        return type(error).__name__ + (f": {error}" if str(error) else "")


def identity(x):
    return x


def pid(_):
    return os.getpid()


# --- Where both do the same ----------------------------------------------------------------------


def the_orders_of_the_directors():
    """What `--finish` forces on each call: for each order of four ends, with one to four workers."""
    calls = ["map", "imap", "imap_unordered", "apply", "map_async", "apply_async", "wait in the loop"]
    scripts = []
    for call, workers in itertools.product(calls, [1, 2, 3, 4]):
        for ends in sorted(itertools.permutations([1, 2, 3, 4])):
            scripts.append(", ".join(finish.script(call, list(ends), workers) or ["impossible"]))
    return "; ".join(scripts)


def chunks_and_maxtasksperchild():
    """A worker that may do one task, which is one chunk, has a pid of its own for it."""
    lengths = []
    for items, workers in [(1, 4), (10, 4), (16, 4), (17, 4), (30, 3)]:
        with Pool(workers, maxtasksperchild=1) as pool:
            runs = itertools.groupby(pool.map(pid, range(items)))
            lengths.append(max(len(list(run)) for _, run in runs))
    return f"chunks of {lengths}"


first, second = Gate(), Gate()
ran = Counter()


def fails_last_or_first(x):
    if x == 1:
        first.wait()
        ran.increment()
        raise ValueError("task 1")
    if x == 2:
        ran.increment()
        raise ValueError("task 2")
    ran.increment()
    first.open()  # in the worker of task 2, when that task's error is on its way
    return x


def the_first_error_to_arrive():
    with Pool(2) as pool:
        error = seen(pool.map, fails_last_or_first, [1, 2, 3], chunksize=1)
    return f"{error.partition(': ')[2]} fails map; {ran.get()} of 3 tasks ran"


def fails_at_2(x):
    if x == 2:
        raise ValueError("task 2")
    return x


def imap_after_an_error():
    with Pool(2) as pool:
        results = pool.imap(fails_at_2, range(5))
        return ", ".join(str(seen(results.next)).partition(":")[0] for _ in range(5)).replace(
            "ValueError", "error"
        )


def the_rest_of_a_chunk():
    with Pool(2) as pool:
        error = seen(pool.map, counted, [0, 1, 2, 3, 4, 5], chunksize=3)
    return f"{error.partition(': ')[2]} fails map; {ran.get()} of 6 tasks ran"


def counted(x):
    ran.increment()
    if x == 1:
        raise ValueError("task 2")


def waits(x):
    first.wait()
    return x


def a_timeout_leaves_the_task_running():
    with Pool(1) as pool:
        result = pool.apply_async(waits, [7])
        timeout = seen(result.get, 0)
        first.open()
        return f"{timeout.replace('TimeoutError', 'timeout')}, then {result.get()}"


def nothing_in():
    called = []
    with Pool(1) as pool:
        result = pool.map_async(identity, [], callback=called.append)
        ready = result.ready()
        return f"ready at once: {ready}, {result.get()}, callbacks: {len(called)}".lower()


def exit_codes():
    def end_by(number):
        os.kill(os.getpid(), number)

    def give_up():
        sys.stderr.close()  # nobody wants the traceback
        raise ValueError

    codes = []
    for target, args in [
        (identity, [0]),
        (give_up, []),
        (sys.exit, [3]),
        (sys.exit, [300]),
        (end_by, [signal.SIGTERM]),
        (end_by, [signal.SIGKILL]),
    ]:
        process = Process(target=target, args=args)
        process.start()
        process.join()
        codes.append(process.exitcode)
    return str(codes)


# --- Where they differ ---------------------------------------------------------------------------


def not_running():
    pool = Pool(1)
    refused = [seen(pool.join)]
    pool.close()
    refused.append(seen(pool.apply, identity, [1]))
    pool.join()
    refused.append(seen(Pool, 0))
    return "; ".join(refused)


def successful_before_there_is_a_result():
    with Pool(1) as pool:
        result = pool.apply_async(waits, [7])
        error = seen(result.successful).partition(": ")[0]
        first.open()
        result.wait()
        return f"{error}, then {result.successful()}"


def is_killed(x):
    os.kill(os.getpid(), signal.SIGKILL)


def a_worker_that_is_killed():
    return a_worker_that_dies(is_killed, [1])


def a_task_that_exits():
    return a_worker_that_dies(sys.exit, [7])


def a_worker_that_dies(task, args):
    with Pool(2) as pool:
        before = pids()
        result = pool.apply_async(task, args)
        eventually(lambda: len(pids()) == 2 and pids() != before)
        later = pool.apply(identity, [4])
        return f"get: {seen(result.get, A_WHILE)}, and its worker is gone, replaced; the next: {later}"


def get_after_the_pool():
    with Pool(1) as pool:
        result = pool.apply_async(waits, [7])
    gone = not pids()
    return f"get: {seen(result.get, A_WHILE)}, the workers are gone: {gone}"


def chunksize_of_zero():
    with Pool(2) as pool:
        mapped = pool.map(counts, [1, 2, 3], chunksize=0)
        iterated = seen(pool.imap, counts, [1, 2, 3], chunksize=0)
    return f"map: {mapped}, {ran.get()} tasks ran; imap: {iterated}"


def counts(x):
    ran.increment()
    return x


def a_callback_that_raises():
    threading.excepthook = lambda _: None  # the traceback of the thread that it ends
    called = threading.Event()

    def callback(_):
        called.set()
        raise ValueError("the callback")

    pool = Pool(1)
    result = pool.apply_async(identity, [1], callback=callback)
    called.wait()
    own = seen(result.get, A_WHILE)
    later = pool.apply_async(counts, [2])
    ran.wait_for(1)
    return f"get: {own}; of the next task, which ran: {seen(later.get, A_WHILE)}"


def an_initializer_that_raises():
    def initializer():
        ran.increment()
        sys.stderr.close()
        raise ValueError("the initializer")

    pool = Pool(2, initializer)
    result = pool.apply_async(identity, [1])
    ran.wait_for(20)
    return f"20 processes have been started for 2 workers; get: {seen(result.get, 0)}"


def ignores_sigterm(_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    first.open()
    second.wait()
    os._exit(0)


def terminate_and_a_task_that_ignores_it():
    pool = Pool(1)
    pool.apply_async(ignores_sigterm, [1])
    first.wait()
    terminate = threading.Thread(target=pool.terminate)
    terminate.start()
    terminate.join(A_WHILE)
    while_it_ran = terminate.is_alive()
    second.open()
    terminate.join()
    return f"terminate waits while the task runs: {while_it_ran}"


def how_far_imap_reads():
    read = Counter()

    def inputs():
        for x in range(1_000):
            read.increment()
            yield x

    with Pool(2) as pool:
        results = pool.imap(identity, inputs())
        read.wait_for(1_000)
        return f"1000 of 1000 inputs are read before a result; the first: {next(results)}"


generator = random.Random(1)  # numpy's global one is such a copy, too


def draws(_):
    ran.increment()
    first.wait()
    return generator.random(), random.random()


def random_numbers():
    """Two workers, each of which draws once: neither can end before both have begun."""
    with Pool(2) as pool:
        result = pool.map_async(draws, [1, 2], chunksize=1)
        ran.wait_for(2)
        first.open()
        (a, x), (b, y) = result.get()
    return f"a generator made before the fork: equal numbers {a == b}; the module's: {x == y}"


# --- What goes wrong: a page of the book shows these, beside the programs in `common/examples/` ----


# ANCHOR: killed_worker
def half(self, buf):  # so far the kernel had come when the signal came
    os.write(self.fileno(), buf[: len(buf) // 2])
    second.open()
    os.kill(os.getpid(), signal.SIGKILL)


def large(n):
    if n == 3:
        first.wait()  # until the results of 1 and 2 are there
        Connection._send = half
    elif n > 3:
        second.wait()  # until half of the result of 3 is in the pipe
    return n, bytes(4 << 20)


def killed_worker():
    pool = Pool(2)  # not in a `with`: its end would wait for ever
    results = [pool.apply_async(large, [n]) for n in range(1, 7)]
    came = [result.get()[0] for result in results[:2]]
    first.open()
    missing = [seen(result.get, A_WHILE) for result in results[2:]]
    return f"the results of {came} are there; of 3, 4, 5 and 6: {', '.join(missing)}"
    # ANCHOR_END: killed_worker


# ANCHOR: full_pipe
def full_pipe():
    mine, its = multiprocessing.Pipe()

    def child():
        its.send(bytes(4 << 20))
        its.recv()

    process = Process(target=child)
    process.start()
    sender = threading.Thread(target=mine.send, args=[bytes(4 << 20)])
    sender.start()
    sender.join(A_WHILE)
    waits = sender.is_alive() and process.is_alive()
    mine.recv()  # somebody reads
    sender.join()
    process.join()
    return f"both wait: {waits}; when one of them reads, both go on"
    # ANCHOR_END: full_pipe


# ANCHOR: hidden_eof
def hidden_eof():
    reader, writer = multiprocessing.Pipe(duplex=False)
    sibling = Process(target=first.wait)
    sibling.start()

    def child():
        os.write(writer.fileno(), b"half")
        os._exit(1)

    process = Process(target=child)
    process.start()
    writer.close()
    read = os.read(reader.fileno(), 100)
    process.join()
    ended = reader.poll(A_WHILE)
    sentinel = wait([reader, process.sentinel]) == [process.sentinel]
    first.open()  # the sibling goes, and with it the last copy of the writing end
    sibling.join()
    return f"{read}, end of file: {ended}, sentinel: {sentinel}; later: {reader.poll()}"
    # ANCHOR_END: hidden_eof


# ANCHOR: lock_held_at_fork
def lock_held_at_fork():
    lock, held, end = threading.Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    process = Process(target=lambda: sys.exit(lock.acquire(timeout=A_WHILE)))
    process.start()
    end.set()
    thread.join()
    process.join()
    return f"child got the lock: {bool(process.exitcode)}; parent: {lock.acquire()}"
    # ANCHOR_END: lock_held_at_fork


# ANCHOR: doubled_line
def doubled_line():
    print("from the parent, ", end="")
    if os.fork() == 0:
        sys.exit()
    os.wait()
    return "done."
    # ANCHOR_END: doubled_line


# ANCHOR: zombie
def state(pid):
    """As `ps` shows it: `Z` is a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "gone"


def zombie():
    process = Process(target=int)
    process.start()
    wait([process.sentinel])
    eventually(lambda: state(process.pid) == "Z")  # the sentinel, a pipe, ends a moment before
    before = state(process.pid)
    process.join()
    return f"before join: {before}; after: {state(process.pid)}"
    # ANCHOR_END: zombie


if __name__ == "__main__":
    sys.stdout.write(globals()[sys.argv[1]]() + "\n")
    sys.stdout.flush()
    signal.pause()
