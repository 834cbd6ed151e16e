# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What a server has mapped."""
import re


def shared_memory(server):
    """Sizes of the anonymous shared mappings of the server."""
    sizes = []
    with open("/proc/%d/maps" % server.process.pid) as f:
        for line in f:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw-s \S+ \S+ \S+\s+"
                             r"(/dev/zero|\[anon_shmem)", line)
            if found:
                sizes.append(int(found.group(2), 16) - int(found.group(1), 16))
    return sizes


def about(size):
    """A mapping of the size, the rest of its last page and APR's word of
    bookkeeping included."""
    return lambda mapped: size <= mapped <= size + 8192
