"""A process that appends until it is killed, and says on its standard output what was acknowledged.

    python writer_process.py PATH AUTHOR

Each line is ``CURSOR TEXT``; three threads append, so that a kill meets group commits. A line is written after the
acknowledgement, so what is printed must be in the log; a little more may be.
"""

import os
import sys
import threading
from pathlib import Path

from omegacell.store.log import Append
from omegacell.store.sqlite import SqliteStore

THREADS = 3


def append_for_ever(store: SqliteStore, author: str) -> None:
    number = 0
    while True:
        text = f"{author}/{number}"
        (cursor,) = store.append([Append(entry=text.encode() * 20, session=1, first_seq=1)])
        os.write(1, f"{cursor} {text}\n".encode())  # one write: whole lines, whatever thread
        number += 1


def main() -> None:
    path, author = sys.argv[1:]
    store = SqliteStore(Path(path))
    threads = [
        threading.Thread(target=append_for_ever, args=(store, f"{author}.{thread}")) for thread in range(THREADS)
    ]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
