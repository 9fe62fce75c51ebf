"""The contestants that are written in Python: `peers.py Pool`, `… ProcessPoolExecutor`, `… loky`, `… numpy`.

Started by `cargo bench -p benches --bench peers`, which says on standard input what is to be measured:
a row's name and a number. The answer is a line as well: seconds or bytes, or `-` for a row that this
contestant does not have. Nothing is needed but Python; a peer that is not installed says so.
"""

import array
import concurrent.futures
import functools
import multiprocessing
import os
import pathlib
import platform
import subprocess
import sys
import time

WORKERS = 2
# Long enough for a pool to do something, if there is anything that it can do.
PAUSE = 0.1
# As in the pool that they are compared with. Not the default of every version of Python.
FORK = multiprocessing.get_context("fork")


# The tasks. Module level, so that they can be pickled by name.

def identity(x):
    return x


@functools.cache
def table(mib):
    return array.array("d", bytes(mib << 20))


def make_table(mib):
    table(mib)


def decompose(size):
    import numpy
    return numpy.linalg.svd(numpy.random.default_rng().random((size, size)))[1][0]


def seconds(work):
    start = time.perf_counter()
    result = work()  # kept until the clock has been read: freeing it is not measured
    spent = time.perf_counter() - start
    del result
    return spent


class Pool:
    """multiprocessing.Pool, started by fork."""

    def __init__(self, workers=WORKERS):
        self.pool = FORK.Pool(workers)

    def end(self):
        self.pool.terminate()  # what leaving a `with` block does
        self.pool.join()

    def apply(self, function, argument):
        return self.pool.apply(function, (argument,))

    def map(self, function, items, chunksize=None):
        return self.pool.map(function, items, chunksize)

    def unordered(self, function, items):
        return sum(1 for _ in self.pool.imap_unordered(function, items))

    def apply_async(self, function, items):
        results = [self.pool.apply_async(function, (item,)) for item in items]
        return [result.get() for result in results]

    def imap(self, function, items):
        return self.pool.imap(function, items)

    def pids(self):
        return [process.pid for process in self.pool._pool]


class ProcessPoolExecutor:
    """concurrent.futures.ProcessPoolExecutor, started by fork."""

    def __init__(self, workers=WORKERS):
        self.pool = self.make(workers)

    def make(self, workers):
        return concurrent.futures.ProcessPoolExecutor(workers, mp_context=FORK)

    def end(self):
        self.pool.shutdown()

    def apply(self, function, argument):
        return self.pool.submit(function, argument).result()

    def map(self, function, items, chunksize=None):
        if chunksize is None:  # its own default is 1: here it gets that of Pool
            chunksize = -(-len(items) // (4 * WORKERS))
        return list(self.pool.map(function, items, chunksize=chunksize))

    def unordered(self, function, items):
        results = [self.pool.submit(function, item) for item in items]
        return sum(1 for _ in concurrent.futures.as_completed(results))

    def apply_async(self, function, items):
        results = [self.pool.submit(function, item) for item in items]
        return [result.result() for result in results]

    imap = None  # its map reads all of the input first

    def pids(self):
        return list(self.pool._processes)


class loky(ProcessPoolExecutor):
    """loky.ProcessPoolExecutor: like the above, started by fork and exec."""

    def make(self, workers):
        import loky
        return loky.ProcessPoolExecutor(workers)


def calls(make):
    """The rows of a pool that `make` makes."""
    warm = {}

    def pool(workers=WORKERS):
        if workers not in warm:
            warm[workers] = make(workers)
            warm[workers].map(identity, range(100), 1)
        return warm[workers]

    def life(workers=WORKERS):
        pool = make(workers)
        pool.apply(identity, 1)
        pool.end()

    def result(mib):
        pool(1).apply(make_table, mib)  # by the one worker that will be asked for it
        return seconds(lambda: pool(1).apply(table, mib))

    def argument(mib):
        argument = table(mib)
        return seconds(lambda: pool(1).apply(len, argument))

    def each(count, work):
        pool()
        return seconds(work) / count

    def rise(count):
        pool()
        before = memory("/proc/self/status", ["VmRSS:"])
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        read = 0

        def items():
            nonlocal read
            for read in range(1, count + 1):
                yield read

        results = pool().imap(identity, items())
        before_the_pause = None
        while before_the_pause != read:  # it reads as far as it does while nobody reads its results
            before_the_pause = read
            time.sleep(PAUSE)
        for _ in results:
            pass
        return memory("/proc/self/status", ["VmHWM:"]) - before

    rows = {
        "start": lambda n: seconds(lambda: [life() for _ in range(n)]) / n,
        "apply": lambda n: each(n, lambda: [pool().apply(identity, 1) for _ in range(n)]),
        "map": lambda n: each(n, lambda: pool().map(identity, range(n))),
        "map-1": lambda n: each(n, lambda: pool().map(identity, range(n), 1)),
        "unordered-1": lambda n: each(n, lambda: pool().unordered(identity, range(n))),
        "async-1": lambda n: each(n, lambda: pool().apply_async(identity, range(n))),
        "result": result,
        "argument": argument,
        "idle": lambda _: max(private(pid) for pid in pool().pids()),
        "workers": lambda n: seconds(lambda: life(n)),
    }
    if make.imap:
        rows["imap-rise"] = rise
    return rows


def numpy_rows():
    """The lessons' work by numpy, its parallel part on multiprocessing.Pool."""

    @functools.cache
    def pool():
        pool = FORK.Pool(WORKERS)
        pool.map(decompose, [10] * 4, 1)
        return pool

    @functools.cache
    def threaded():
        """The number of threads is chosen when numpy is imported: another process for another number."""
        process = subprocess.Popen([sys.executable, __file__, "numpy, threads"], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    def svd_threads(size):
        print("svd", size, file=threaded().stdin, flush=True)
        return float(threaded().stdout.readline())

    def parallel(size):
        pool()
        return seconds(lambda: pool().map(decompose, [size] * 4, 1))

    return {
        "svd": lambda size: seconds(lambda: decompose(size)),
        "svd-threads": svd_threads,
        "serial": lambda size: seconds(lambda: [decompose(size) for _ in range(4)]),
        "parallel": parallel,
    }


def memory(file, keys):
    """The sum of some of the kernel's numbers about a process, in bytes."""
    lines = map(str.split, pathlib.Path(file).read_text().splitlines())
    return 1024 * sum(int(line[1]) for line in lines if line[0] in keys)


def private(pid):
    return memory(f"/proc/{pid}/smaps_rollup", ["Private_Clean:", "Private_Dirty:"])


def contestant(name):
    """Its rows, and what it is, in words."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    if name.startswith("numpy"):
        threads = "1" if name == "numpy" else str(len(os.sched_getaffinity(0)))
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = threads
        import numpy
        return numpy_rows(), f"numpy {numpy.__version__}"
    if name == "loky":
        import loky as module
        return calls(loky), f"loky {module.__version__}"
    return calls({"Pool": Pool, "ProcessPoolExecutor": ProcessPoolExecutor}[name]), python


def main(name):
    try:
        rows, version = contestant(name)
    except ImportError as error:
        print(f"- {error}", flush=True)
        return
    print(version, flush=True)
    for line in sys.stdin:
        row, number = line.split()
        print(rows[row](int(number)) if row in rows else "-", flush=True)


if __name__ == "__main__":
    # As an imported module its functions have a name that workers which are no forks find as well.
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    import peers
    peers.main(sys.argv[1])
