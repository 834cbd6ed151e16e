# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What processes have used, from /proc."""
import pathlib
import re


def cpu(pids):
    """Seconds of CPU that these processes have used so far."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def private(pids):
    """Bytes of these processes that are theirs alone."""
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(m) for m in
                     re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))
    return total * 1024
