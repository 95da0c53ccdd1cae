"""Becomes the program it is given: tied to its supervisor's life, private umask, no longer root.

Run as a script by `child.py` (`python -I -S launch.py …`), never imported: between fork and exec
of a threaded program no Python code is safe, so these steps happen in a process of their own.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import struct
import sys

# linux/prctl.h, linux/securebits.h and linux/capability.h; see prctl(2) and capabilities(7).
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def _call(function: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _prctl(option: int, value: int, third: int = 0) -> None:
    _call("prctl", option, *(ctypes.c_ulong(v) for v in (value, third, 0, 0)))


def _keep_capability(capability: int) -> None:
    bit = 1 << capability
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    _call("capset", header, struct.pack("6I", bit, bit, bit, 0, 0, 0))
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _become(uid: int, gid: int) -> None:
    """Give up root, but keep the right to read and pass through folders.

    The data folder is 0700 and root's, and so may be any folder above it or above the virtual
    environment: without that right the account could neither reach its data nor its program.
    """
    if sys.platform == "linux":
        # access(2) ignores the capabilities of an ordinary user unless this bit is set.
        with contextlib.suppress(OSError):
            _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        try:
            _keep_capability(CAP_DAC_READ_SEARCH)
        except OSError:
            # Containers commonly withhold the narrow right and grant the wide one. With neither,
            # the program still runs wherever the folders' modes let the account pass.
            with contextlib.suppress(OSError):
                _keep_capability(CAP_DAC_OVERRIDE)


def main() -> None:
    """Prepare this process as the options say, then replace it by the program."""
    options = argparse.ArgumentParser()
    options.add_argument("--parent", type=int, required=True)
    options.add_argument("--death-signal", type=int, default=int(signal.SIGKILL))
    options.add_argument("--uid", type=int)
    options.add_argument("--gid", type=int)
    options.add_argument("argv", nargs="+")
    given = options.parse_args()
    os.umask(0o077)
    if given.uid is not None:
        _become(given.uid, given.gid)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        _prctl(PR_SET_PDEATHSIG, given.death_signal)
        if os.getppid() != given.parent:
            sys.exit("the supervisor ended before its process began")
    os.execv(given.argv[0], given.argv)  # noqa: S606


main()
