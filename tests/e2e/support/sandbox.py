# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: sandbox.py DROP-IN WRITABLE... -- COMMAND...

Runs a command as systemd would run it with the [Service] settings of a drop-in, where
there is no systemd: a read-only file system, capabilities, no new privileges, and a
filter of system calls, which also stands for RestrictAddressFamilies=,
RestrictNamespaces=, RestrictRealtime=, LockPersonality= and MemoryDenyWriteExecute=.
WRITABLE are the paths of the test for those of the drop-in. A refused system call kills
the process, whatever SystemCallErrorNumber= says, so that none goes unnoticed. Needs
root, systemd-analyze (the groups of system calls) and cc (their numbers)."""
import ctypes
import errno
import os
import platform
import re
import socket
import struct
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
FLAGS = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "relatime": 1 << 21}
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 24, 38, 22
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL",
                "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE"]
LAST_CAPABILITY = 40
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
KILL, ALLOW = 0x80000000, 0x7FFF0000
LOAD, JEQ, JSET, RETURN = 0x20, 0x15, 0x45, 0x06
#: What the groups allow, but a setting of its own does not.
OTHERWISE = {"RestrictNamespaces": ["unshare", "setns"], "LockPersonality": ["personality"],
             "RestrictRealtime": ["sched_setscheduler", "sched_setattr"]}


def settings(path):
    """{name: words} of [Service]."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for name, value in re.findall(r"(?m)^(\w+)=(.*)$", file.read()):
            found.setdefault(name, []).extend(value.split())
    return found


def check(status, what):
    if status:
        raise OSError(ctypes.get_errno(), what)


def mount(where, flags):
    check(LIBC.mount(where.encode(), where.encode(), None, ctypes.c_ulong(flags), None),
          "mount " + where)


def read_only(writable):
    """ProtectSystem=strict: all but these, /dev, /proc and /sys."""
    check(LIBC.unshare(CLONE_NEWNS), "unshare")
    mount("/", MS_REC | MS_PRIVATE)
    for path in writable:
        mount(path, MS_BIND)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounted = [line.split()[4:6] for line in file]
    for where, options in mounted:
        where = where.encode().decode("unicode_escape")
        if where not in writable and not re.match("/(dev|proc|sys)(/|$)", where):
            kept = sum(FLAGS.get(option, 0) for option in options.split(","))
            mount(where, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def bounded(words):
    kept = [word.replace("CAP_", "") for word in words]
    assert set(kept) <= set(CAPABILITIES), kept
    for number in range(LAST_CAPABILITY + 1):
        if number >= len(CAPABILITIES) or CAPABILITIES[number] not in kept:
            check(LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")


def groups():
    """{@GROUP: system calls}."""
    text = subprocess.run(["systemd-analyze", "syscall-filter"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    found = {}
    for name, body in re.findall(r"(?m)^(@[\w-]+)\n((?:    .*\n)+)", text):
        found[name] = re.findall(r"(?m)^    ([@\w-]+)$", body)

    def whole(name):
        return set().union(*(whole(word) if word.startswith("@") else {word}
                             for word in found[name]))
    return {name: whole(name) for name in found}


def numbers():
    """{system call: number}."""
    text = subprocess.run(["cc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c",
                           "/dev/null"], check=True, stdout=subprocess.PIPE).stdout.decode()
    return {name: int(number) for name, number in
            re.findall(r"(?m)^#define __NR_(\w+) (\d+)$", text)}


def program(service):
    """The filter, for prctl(): instructions of classic BPF."""
    known, named = numbers(), groups()
    allowed = set().union(*(named[word] for word in service["SystemCallFilter"]))
    for setting, calls in OTHERWISE.items():
        if service.get(setting) == ["yes"]:
            allowed -= set(calls)
    code = [(LOAD, 0, 0, 4), (JEQ, 1, 0, ARCHITECTURES[platform.machine()]),
            (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    # the argument decides: a block that ends in ALLOW or KILL, skipped for other calls
    special = {"socket": (16, [(JEQ, int(getattr(socket, family))) for family in
                               service["RestrictAddressFamilies"]], ALLOW, KILL)}
    if service["MemoryDenyWriteExecute"] == ["yes"]:
        special["mprotect"] = special["pkey_mprotect"] = (32, [(JSET, 4)], KILL, ALLOW)
        special["shmat"] = (32, [(JSET, 0o100000)], KILL, ALLOW)
    for name, (offset, tests, yes, no) in special.items():
        block = [(LOAD, 0, 0, offset)]
        for number, (test, value) in enumerate(tests):
            block.append((test, len(tests) - number, 0, value))
        block += [(RETURN, 0, 0, no), (RETURN, 0, 0, yes)]
        code += [(JEQ, 0, len(block), known[name])] + block
    if service["MemoryDenyWriteExecute"] == ["yes"]:  # both bits
        code += [(JEQ, 0, 5, known["mmap"]), (LOAD, 0, 0, 32), (0x54, 0, 0, 6),
                 (JEQ, 1, 0, 6), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, KILL)]
    for name in sorted(allowed & set(known) - set(special)):
        code += [(JEQ, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    return code + [(RETURN, 0, 0, KILL)]


def filtered(code):
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
    head = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
    check(LIBC.prctl(PR_SET_SECCOMP, 2, head, 0, 0), "seccomp")


def main():
    dropin, *rest = sys.argv[1:]
    writable, command = rest[:rest.index("--")], rest[rest.index("--") + 1:]
    service = settings(dropin)
    code = program(service)
    assert service["ProtectSystem"] == ["strict"]
    read_only(writable)
    bounded(service["CapabilityBoundingSet"])
    assert service["NoNewPrivileges"] == ["yes"]
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    filtered(code)
    os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit("sandbox: %s (%s)" % (error, errno.errorcode.get(error.errno)))
