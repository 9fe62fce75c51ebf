"""What the five `original.py` share: flags, labelled lines, the workload, the trace.

A program of your own needs none of this: what it needs from `multiprocessing` stands in the
lessons. CPython 3.9 or later and Linux; numpy is used if it is there.
"""

import argparse
import io
import json
import multiprocessing
import multiprocessing.pool
import os
import random
import sys
import time
from contextlib import contextmanager
from operator import mul

# One thread for each process, as in the Rust lessons: what a lesson shows is due to its processes.
# And a process that forks must have no other threads. Read by numpy's BLAS when it is imported.
for variable in ["OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"]:
    os.environ.setdefault(variable, "1")
try:
    import numpy
except ImportError:
    numpy = None

# A worker is a copy of this process from the moment when the pool was made, which is what the
# notes assume and the Rust lessons do. It was Linux's default until Python 3.14, which starts
# workers from a small server instead. That is safe where threads run: forking copies only one of
# them, and 3.12 and later warn. Here no pool or process is started while another pool lives,
# because a pool has threads.
multiprocessing.set_start_method("fork")


# --- Flags ---------------------------------------------------------------------------------------


def parse(about, size, workers, calls=()):
    """Read the flags and make them hold. With `--finish` the lesson is these calls of `finish.py`."""
    parser = Parser(description=about, allow_abbrev=False)
    number = dict(type=at_least_one, metavar="N")
    parser.add_argument("--size", default=size, **number, help="rows and columns [%(default)s]")
    parser.add_argument("--workers", default=workers, **number, help="processes [%(default)s]")
    parser.add_argument("--seed", type=whole, metavar="N", help="the same random numbers each time")
    parser.add_argument("--trace", metavar="FILE", help="who did what when, for ui.perfetto.dev")
    if calls:
        parser.add_argument("--finish", type=numbers, metavar="ORDER", help="such as 2,3,1,4")
    flags = parser.parse_args(namespace=FLAGS)
    # Processes that are started until none is left take the machine with them.
    needed, available = flags.workers * (PROCESS + MATRICES * flags.size**2), available_memory()
    if needed > available:
        gigabytes = f"{needed / 1e9:.1f} GB, this machine has {available / 1e9:.1f} GB available"
        parser.error(f"--workers {flags.workers} with --size {flags.size} need {gigabytes}")
    sys.stdout = Lines()
    if flags.trace:
        try:
            record_to(flags.trace)
        except OSError as error:
            parser.error(f"--trace: cannot write {flags.trace}: {error.strerror}")
    if flags.finish:
        from finish import show

        show(calls, flags.finish, flags.workers, refuse=parser.error)
        sys.exit()
    return flags


FLAGS = argparse.Namespace(finish=None)

# Bytes that a worker takes at least: for the interpreter, and for each number of a matrix, with numpy, which
# needs less than lists do.
PROCESS, MATRICES = 2_000_000, 3 * 8


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as the Rust lessons do."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (try --help)\n")


def at_least_one(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, not {text!r}")
    return int(text)


def whole(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}")
    return int(text)


def available_memory():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)


def numbers(text):
    try:
        order = [int(number) for number in text.split(",")]
    except ValueError:
        order = []
    if not order or sorted(order) != list(range(1, len(order) + 1)):
        raise argparse.ArgumentTypeError(f"must name each of 1, 2, … once, not {text!r}")
    return order


# --- Lines ---------------------------------------------------------------------------------------


class Lines(io.TextIOBase):
    """Standard output for `print`: each line goes out at once and in one piece, whatever other
    processes print, and says who wrote it.

    Python's own holds lines back when it is not a terminal, and writes them in blocks that end
    anywhere.
    """

    unfinished = ""

    def write(self, text):
        *lines, self.unfinished = (self.unfinished + text).split("\n")
        for line in lines:
            put(f"{speaker():<10} {os.getpid():>7} │ {line}\n")
        return len(text)

    def writable(self):
        return True


def heading(text):
    """A title, with an empty line before it, unless it is the first."""
    put(f"{heading.above}{text}\n")
    heading.above = "\n"


heading.above = ""


def put(text):
    try:
        os.write(1, text.encode())
    except OSError as error:
        # Main will see it, too. A worker would only hand it on, with all the calls that led to it.
        if role() == "main":
            enough = isinstance(error, BrokenPipeError)  # no error: the reader has seen enough
            program = os.path.basename(sys.argv[0])
            why = f"{program}: cannot write to standard output: {error.strerror}"
            raise SystemExit(0 if enough else why) from None


def role():
    """What this process is: "main", or {"worker": 2} or {"process": 2}.

    The numbers are Python's own, from names such as ForkPoolWorker-2: all children of a process
    are counted together, from pool to pool.
    """
    name, _, number = multiprocessing.current_process().name.rpartition("-")
    if not name:
        return "main"
    return {"worker" if name.endswith("PoolWorker") else "process": int(number)}


def speaker():
    """The same as text: "main", "worker 2"."""
    return "main" if role() == "main" else " ".join(map(str, *role().items()))


# --- Workload ------------------------------------------------------------------------------------


# ANCHOR: workload
def delay_function(x):
    with task(x):
        print(f"start from {x}")
        largest = largest_singular_value(FLAGS.size, FLAGS.size, x)
        print(f"end from {x}")
    return largest


def delay_function_b(x, y):
    with task(f"{x}, {y}"):
        print(f"start from {x}, {y}")
        largest = largest_singular_value(x, y)
        print(f"end from {x}, {y}")
    return largest
# ANCHOR_END: workload


def largest_singular_value(rows, columns, task=None):
    """That of a random matrix, with two decimals. With `--seed` a task has the same each time."""
    # Never the generator of the module: a fork copies numpy's, and all workers would draw the same.
    seed = None if FLAGS.seed is None else f"{FLAGS.seed} {task} {rows} {columns}"
    draw = random.Random(seed)
    if numpy:
        matrix = numpy.random.default_rng(draw.getrandbits(64)).random((rows, columns))
        return round(float(numpy.linalg.svd(matrix)[1][0]), 2)
    matrix = [[draw.random() for _ in range(columns)] for _ in range(rows)]
    return round(power_iteration(matrix), 2)


def power_iteration(matrix):
    """Without numpy: multiply a vector by the matrix and its transpose until its length stays."""
    transposed = list(zip(*matrix))
    vector, value, before = [1.0] * len(transposed), 1.0, 0.0
    while abs(value - before) > 1e-9 * value:
        image = [sum(map(mul, row, vector)) for row in matrix]
        vector = [sum(map(mul, column, image)) for column in transposed]
        length = sum(map(mul, vector, vector)) ** 0.5
        vector = [x / length for x in vector]
        before, value = value, length**0.5
    return value


# --- Trace ---------------------------------------------------------------------------------------


def record_to(path):
    """From now on this process and its forks append what they do to the file.

    An event is a line, and a line is one system call on a file opened for appending. So there is no
    lock that a killed process could keep, and what a process did before it died is not lost. The
    file is a JSON array without its last bracket, which the viewers of the format allow for. The
    lines' "args" are the events, in the form in which the Rust lessons record them.
    """
    record.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    os.write(record.file, b"[\n")
    # What the Rust side records by itself is recorded here from around the calls. A pool's workers are
    # of another class than `Process`: its own joins are not recorded.
    pool = multiprocessing.pool
    calls = {
        multiprocessing.Process: ["join"],
        pool.Pool: ["map", "starmap", "apply"],
        pool.AsyncResult: ["get", "wait"],
    }
    for owner, names in calls.items():
        for name in names:
            setattr(owner, name, recorded(name, getattr(owner, name)))
    pool.IMapIterator.next = pool.IMapIterator.__next__ = yielding(pool.IMapIterator.next)


PHASES = {"start": "B", "end": "E", "call": "B", "return": "E"}


def record(kind, label):
    if record.file is None:
        return
    at, pid = time.monotonic_ns(), os.getpid()
    event = {"at": at, "pid": pid, "role": role(), "kind": kind, "label": str(label)}
    shown = {"name": event["label"], "ph": PHASES.get(kind, "i"), "ts": at / 1000}
    line = {**shown, "pid": pid, "tid": pid, "args": event}
    os.write(record.file, (json.dumps(line) + ",\n").encode())


record.file = None


@contextmanager
def task(label):
    """The beginning and the end of a task, be it by an exception."""
    record("start", label)
    try:
        yield
    finally:
        record("end", label)


def recorded(name, call):
    """The same call with a record of its beginning and its end; not of the calls that it makes."""

    def outermost(*args, **kwargs):
        if recorded.inside:
            return call(*args, **kwargs)
        recorded.inside = True
        record("call", name)
        try:
            return call(*args, **kwargs)
        finally:
            record("return", name)
            recorded.inside = False

    return outermost


recorded.inside = False


def yielding(take):
    """The same method with a record of the result that it takes from an iterator."""

    def recorded_take(self, timeout=None):
        result = take(self, timeout)
        record("yield", result)
        return result

    return recorded_take


# --- Who worked when -----------------------------------------------------------------------------


class Span:
    """A piece of work: the process that did it, when it began and when it ended."""

    def __init__(self, work):
        self.pid, self.start = os.getpid(), time.monotonic()
        self.result = work()
        self.end = time.monotonic()


def overlap(spans):
    """How many of them there were at one time, at most."""
    at_start = [sum(other.start <= span.start < other.end for other in spans) for span in spans]
    return max(at_start, default=0)


def wall(spans):
    """From the first beginning to the last end, in seconds."""
    return max(span.end for span in spans) - min(span.start for span in spans)


def states(pids):
    """What the kernel says about each process: R runs, S sleeps."""

    def state(pid):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(") ")[2][0]
        except OSError:
            return "gone"

    return ", ".join(f"{pid} {state(pid)}" for pid in pids)
