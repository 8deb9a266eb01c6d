"""Best time of a function within the process, after one call that is not counted."""

import hashlib
import json
import time


def best(function, times=5):
    """What the function returns, and the seconds of the fastest of some calls."""
    found = function()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return found, min(seconds)


def digest(array):
    """48 bits of the content's hash as a number: equal where all bytes are."""
    return int(hashlib.sha256(array.tobytes()).hexdigest()[:12], 16)


def tell(values, seconds):
    """Print what the benchmark reads."""
    print(json.dumps({"values": values, "inside": seconds}))
