"""A wire that can be cut: forwards TCP, loses answers on demand, and refuses when told to."""

import contextlib
import select
import socket
import threading
from typing import Final

STEP_BYTES: Final = 1 << 16


class TcpProxy:
    """Forwards connections from a port of its own to another."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._mutex = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._is_refusing = False
        self._drops_left = 0
        self.drop_count = 0
        self._spawn(self._accept)

    def refuse(self) -> None:
        """Cut what is connected, and everybody who comes, until `heal`."""
        self._is_refusing = True
        self.cut()

    def heal(self) -> None:
        """Forward again."""
        self._is_refusing = False

    def drop_answers(self, count: int) -> None:
        """Deliver the next requests, and cut the connection instead of delivering what comes back, so many times."""
        self._drops_left = count

    def cut(self) -> None:
        """Break every connection there is."""
        with self._mutex:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _break(*pair)

    def close(self) -> None:
        """Break everything, and end all threads."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _spawn(self, target: "object", *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._mutex:
                self._pairs.append((near, far))
            self._spawn(self._forward, near, far)

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        try:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    data = ready.recv(STEP_BYTES)
                    if not data:
                        return
                    if ready is far and self._drops_left > 0:
                        self._drops_left -= 1
                        self.drop_count += 1
                        return
                    (far if ready is near else near).sendall(data)
        except (OSError, ValueError):
            return
        finally:
            _break(near, far)


def _break(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
