"""Start a supervisor, detached from whoever starts it: ``python -m omegacell.agent.supervisor --state-dir D``.

The command returns 0 as soon as the supervisor listens (or one already does), and 1 with one line otherwise.
``--foreground`` stays, for those who keep it under a service manager of their own.
"""

import contextlib
import gc
import os
import sys
from typing import NoReturn

from omegacell.agent.supervisor.server import AlreadyRunningError, Server

_LOG_LIMIT_BYTES = 1 << 20
_USAGE = "usage: python -m omegacell.agent.supervisor --state-dir DIR [--foreground]\n"


def main(arguments: list[str]) -> int:
    """Run the command; argparse alone would cost as much memory as the rest."""
    is_foreground = "--foreground" in arguments
    rest = [word for word in arguments if word != "--foreground"]
    if len(rest) != 2 or rest[0] != "--state-dir":
        sys.stderr.write(_USAGE)
        return 2
    state = os.path.abspath(rest[1])
    os.makedirs(state, mode=0o700, exist_ok=True)
    if is_foreground:
        return _serve(state, None)
    return _detach(state)


def _detach(state: str) -> int:
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        os.close(ready_read)
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        _redirect(state)
        _leave(_serve(state, ready_write))
    os.close(ready_write)
    os.wait()
    with os.fdopen(ready_read, "rb") as file:
        answer = file.read()
    if answer == b"ready":
        return 0
    sys.stderr.write(answer.decode(errors="replace") or f"the supervisor died; see {state}/supervisor.log\n")
    return 1


def _leave(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code)


def _redirect(state: str) -> None:
    log = os.open(os.path.join(state, "supervisor.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if os.fstat(log).st_size > _LOG_LIMIT_BYTES:
        os.ftruncate(log, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    for fd, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)


def _serve(state: str, ready: int | None) -> int:
    try:
        server = Server(state)
        server.recover()
    except AlreadyRunningError as error:
        if ready is None:
            sys.stderr.write(f"{error}\n")
            return 1
        # Whoever asked wanted one to run, and one does.
        _tell(ready, b"ready")
        return 0
    except (OSError, ValueError) as error:
        _tell(ready, f"cannot start the supervisor in {state}: {error}\n".encode())
        sys.stderr.write(f"cannot start: {error}\n")
        return 1
    gc.collect()
    gc.freeze()  # children share its pages until exec: do not touch them
    _tell(ready, b"ready")
    server.run()
    return 0


def _tell(ready: int | None, answer: bytes) -> None:
    if ready is None:
        return
    # Whoever asked may have been killed meanwhile; the supervisor stays.
    with contextlib.suppress(BrokenPipeError):
        os.write(ready, answer)
    os.close(ready)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
