"""What jupyter_client starts for a warm kernel, as `python -I -S kernel_stub.py SOCKET ARGUMENT …`.

It imports as little as it can, as each kernel waits for it.
"""

import json
import os
import signal
import socket
import sys


def main() -> None:
    """Have a kernel forked and end as it ends; become a plain kernel where none can be forked."""
    place, arguments = sys.argv[1], sys.argv[2:]
    forker = socket.socket(socket.AF_UNIX)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, lambda number, _: forker.send(bytes([number])))
    given = {"arguments": arguments, "cwd": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109 - no pathlib
    told = json.dumps(given).encode()
    try:
        forker.connect(place)
        told = b"%d\n%s" % (len(told), told)
        sent = socket.send_fds(forker, [told], [0, 1, 2])
        forker.sendall(told[sent:])
        forked = forker.recv(1)
    except OSError:
        forked = b""
    if not forked:  # the warm process failed, or is not there
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])
    ended = int(forker.recv(64) or 1)
    if ended < 0:  # by a signal: end by the same one
        if -ended in signals:
            signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    sys.exit(ended)


if __name__ == "__main__":
    main()
