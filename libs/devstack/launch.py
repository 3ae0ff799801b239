"""Becomes another program: `python launch.py SIGNAL UID GID CAPABILITY PARENT -- program arguments`.

Run as a script with the standard library only, so that a child costs 20 ms and no fork hook of a threaded
parent. It arranges what must hold before the program starts: the program gets SIGNAL when its parent dies
(so that nothing outlives a killed supervisor), writes no core dump (memory holds keys), creates files only
for its owner, and runs as UID and GID (-1: as we are) with at most one capability (-1: none).
"""

import ctypes
import os
import resource
import struct
import sys

PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _prctl(libc: ctypes.CDLL, option: int, *arguments: int) -> None:
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    _check(libc.prctl(ctypes.c_int(option), *words), f"prctl({option})")


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    """Makes `capability` the only one, and one that survives exec although we are not root any more."""
    word, bit = divmod(capability, 32)
    low, high = (1 << bit, 0) if word == 0 else (0, 1 << bit)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(struct.pack("=6I", low, low, low, high, high, high))
    _check(libc.capset(header, data), "capset")
    _prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _become(libc: ctypes.CDLL, uid: int, gid: int, capability: int) -> None:
    if capability >= 0:
        # The change of user leaves capabilities alone, and access(2) counts them: initdb asks it.
        _prctl(libc, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capability >= 0:
        _keep_only(libc, capability)


def main(arguments: list[str]) -> None:
    """Sets the scene and executes the program; returns only by an exception."""
    death_signal, uid, gid, capability, parent = map(int, arguments[:5])
    program = arguments[6:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if uid >= 0:
            _become(libc, uid, gid, capability)
        _prctl(libc, PR_SET_PDEATHSIG, death_signal)  # after the change of user, which clears it
        if os.getppid() != parent:
            sys.exit("the supervisor died while this process started")
    elif uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
