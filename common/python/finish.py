"""`--finish 2,3,1,4`: the reader decides which task ends when, and sees what each call makes of it.

The tasks of such a run compute nothing. Each says that it starts and waits until a director lets it
end; all else comes as soon as it can. So two runs print the same lines in the same order, and the
Rust lessons print them, too.
"""

import os
from multiprocessing import Pool

from course import heading, record

# Made before the fork, so that all processes share them: what is told to the director, and where
# each task waits for its turn.
STAGE = {}


def gated(x):
    tell(f"handed out {x}")
    wait_for_turn(x)
    # Recorded before it is told: then the next task may go on.
    record("start", x)
    print(f"start from {x}")
    tell(f"start {x}")
    wait_for_turn(x)
    print(f"end from {x}")
    record("end", x)
    tell(f"end {x}")
    return x


def says(event, text):
    """A call of main's has come back."""
    print(text)
    tell(event)


def tell(what):
    os.write(STAGE["told"][1], f"{what}\n".encode())


def wait_for_turn(x):
    os.read(STAGE[x][0], 1)


# --- The calls: what main does -------------------------------------------------------------------


def map(pool, n):
    results = pool.map(gated, range(1, n + 1), chunksize=1)
    says("return", f"map returns {results}")


def imap(pool, n):
    for result in pool.imap(gated, range(1, n + 1)):
        says(f"yield {result}", f"imap yields {result}")


def imap_unordered(pool, n):
    for result in pool.imap_unordered(gated, range(1, n + 1)):
        says(f"yield {result}", f"imap_unordered yields {result}")


def apply(pool, n):
    for ii in range(1, n + 1):
        result = pool.apply(gated, [ii])
        says(f"return {ii}", f"apply returns {result}")


def map_async(pool, n):
    result = pool.map_async(gated, range(1, n + 1), chunksize=1)
    says("return", f"map_async returns; ready: {result.ready()}")
    results = result.get()
    says("got", f"get returns {results}")


def apply_async(pool, n):
    results = []
    for ii in range(1, n + 1):
        results.append(pool.apply_async(gated, [ii]))
        says(f"return {ii}", f"apply_async of {ii} returns")
    for ii, result in enumerate(results, 1):
        says(f"got {ii}", f"get returns {result.get()}")


def wait_in_the_loop(pool, n):
    for ii in range(1, n + 1):
        result = pool.apply_async(gated, [ii])
        says(f"return {ii}", f"apply_async of {ii} returns")
        result.wait()
        says(f"waited {ii}", f"wait for {ii} returns")


# --- The calls: which order is forced on them ----------------------------------------------------


def steps(call, ends):
    """What main does, in its order: the tasks that it sends, those that it waits for, what it sees
    then."""
    every = sorted(ends)
    if call == "map":
        return [(every, every, "return")]
    if call == "imap":
        return [(every, [], None)] + [([], [x], f"yield {x}") for x in every]
    if call == "imap_unordered":
        return [(every, [], None)] + [([], [x], f"yield {x}") for x in ends]
    if call == "apply":
        return [([x], [x], f"return {x}") for x in every]
    if call == "map_async":
        return [(every, [], "return"), ([], every, "got")]
    sends = [([x], [], f"return {x}") for x in every]
    if call == "apply_async":
        return sends + [([], [x], f"got {x}") for x in every]
    waits = [([], [x], f"waited {x}") for x in every]
    return [step for both in zip(sends, waits) for step in both]


def script(call, ends, workers):
    """All events, each as soon as it can be; None if the tasks cannot end in this order."""
    order, sent, started, ended = [], [], [], []
    main = steps(call, ends)

    def hurry():
        while main:
            sends, waits, event = main[0]
            sent.extend(x for x in sends if x not in sent)
            if not set(waits) <= set(ended):
                break
            main.pop(0)
            order.extend([event] if event else [])
        while len(started) < len(sent) and len(started) - len(ended) < workers:
            order.append(f"start {sent[len(started)]}")
            started.append(sent[len(started)])

    hurry()
    for x in ends:
        if x not in started:
            return None
        ended.append(x)
        order.append(f"end {x}")
        hurry()
    return order


ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()


def cannot_finish(x, after):
    place = ORDINALS[after] if after < len(ORDINALS) else f"as number {after + 1}"
    return f"{x} cannot finish {place}"


def why_not(call, ends):
    """Of a call that waits for each task before the next: why its tasks cannot end in this order."""
    finished = next(n for n, x in enumerate(ends) if x != n + 1)
    x, missing = ends[finished], finished + 1
    waits = "wait" if call == "wait in the loop" else call
    return [
        f"{cannot_finish(x, finished)}:",
        f"{waits} waits for {missing} before main makes the call for {x}",
    ]


def direct(order):
    """Let tasks go on so that the events come in this order. A run that leaves it, because a worker
    was killed, goes on freely: nobody waits for another order. Ends with the order, or when nobody
    is left who could tell."""
    os.close(STAGE["told"][1])
    handed_out = set()

    def wait_for(expected):
        while expected not in handed_out:
            line = told.readline().strip()
            if not line.startswith("handed out"):
                return
            handed_out.add(line)

    with open(STAGE["told"][0], closefd=False) as told:
        for event in order:
            kind, _, x = event.partition(" ")
            if kind == "start":
                wait_for(f"handed out {x}")
            if kind in ["start", "end"]:
                os.write(STAGE[int(x)][1], b"!")
            wait_for(event)


def show(calls, ends, workers, refuse):
    every = sorted(ends)
    for call in calls:
        if call not in ["apply", "wait in the loop"] and not script(call, ends, workers):
            after, late = next((i, x) for i, x in enumerate(ends) if x > i + workers)
            order = ",".join(str(x) for x in ends)
            having = "one worker" if workers == 1 else f"{workers} workers"
            number, has = ("one", "has") if late - workers == 1 else (late - workers, "have")
            why = f"it starts only when {number} of the tasks before it {has} finished"
            refuse(f"--finish {order}: with {having} {cannot_finish(late, after)}: {why}")
    STAGE["told"] = os.pipe()
    STAGE.update((x, os.pipe()) for x in every)
    for call in calls:
        title(call, len(ends), workers)
        order = script(call, ends, workers)
        if not order:
            print(*why_not(call, ends), sep="\n")
            print("so its tasks end in the order of the input")
            order = script(call, every, workers)
        director = os.fork()  # before the pool: it has threads
        if director == 0:
            direct(order)
            os._exit(0)
        with Pool(workers) as pool:
            globals()[call.replace(" ", "_")](pool, len(ends))
        os.waitpid(director, 0)


def title(call, n, workers):
    name, after = {
        "map_async": ("map_async", ", get"),
        "apply_async": ("apply_async", ", get"),
        "wait in the loop": ("apply_async", ", wait in the loop"),
    }.get(call, (call, ""))
    s = ["s", ""]
    heading(f"{name}, {n} task{s[n == 1]}, {workers} worker{s[workers == 1]}{after}")
