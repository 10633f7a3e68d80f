"""The folders that tasks inside an alloc share: one for each alloc, from its start until it is forgotten.

A task of any job inside may write there, whichever user it runs as: as in /tmp, only who made a file may take it away.
"""

import os
import shutil

from omegacell.agent.messages import AttemptKey


class AllocFolders:
    """The alloc folders of one machine.

    Args:
        path: the folder that they are in; tasks that run as other users must be able to pass through it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        os.makedirs(path, mode=0o711, exist_ok=True)
        os.chmod(path, 0o711)

    def find(self, alloc: AttemptKey) -> str:
        """Return the folder of an alloc, whether or not it is there."""
        return os.path.join(self._path, str(alloc))

    def make(self, alloc: AttemptKey) -> None:
        """Make the folder of an alloc that is about to start, empty.

        Raises:
            OSError: it cannot be made.
        """
        folder = self.find(alloc)
        if os.path.exists(folder):  # by a start that was cut off before its process was recorded
            shutil.rmtree(folder)
        os.mkdir(folder)
        os.chmod(folder, 0o1777 if os.geteuid() == 0 else 0o700)

    def remove(self, key: str) -> None:
        """Remove the folder of an alloc, with all that is in it; nothing for an attempt that was none."""
        folder = os.path.join(self._path, key)
        if os.path.isdir(folder):
            shutil.rmtree(folder)

    def list(self) -> set[str]:
        """Return the keys that have folders."""
        return {entry.name for entry in os.scandir(self._path)}
