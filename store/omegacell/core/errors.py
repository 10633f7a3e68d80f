"""The tree of exceptions: what the caller broke, or what the world under the cell did.

Outcomes (a conflict, an unknown job, a stale report) are values and never raised; see ``outcomes``.
Every message says what, which, what was expected and what to do.

::

    OmegaError
      UsageError                 the caller's input is wrong: a job file, a flag, an argument
      MalformedError             bytes or commands that no proposer of this version writes
      ClosedError                used after close()
      PluginError                a scheduler that cannot be loaded, or that raised
      StoreError                 the log, its payloads or its checkpoints
        StoreLockedError         another process holds what this one needs
        StoreCorruptError        bytes are not what was written
          StoreCutShortError     the file ends before the bytes that it promises
        StoreFullError           no room left; nothing acknowledged was lost
        StoreReadOnlyError       the file or its file system takes no writes
        StoreVersionError        written by another format
          NotAStoreError         no store of ours at all
        StoreNotFoundError       no store at that place
        StoreExistsError         something stands where a new store was to be written
        StoreReplacedError       the file was moved or replaced while it was open
        StoreIOError             the disk failed in a way that has no better name
        StoreUnreachableError    no server of it answers, or they have no leader
        StoreDeniedError         its server refuses the user
        StoreUnsupportedError    this engine or file system cannot keep the promises of a log
        TruncatedError           what was asked for is below the oldest entry kept
        CheckpointGoneError      the checkpoint was deleted; start again from the newest
        EntryTooLargeError       an entry above the limit of every engine
        AnswerLostError          appended or not, nobody knows: the answer was lost
        DivergedError            this fold differs from the author's or from itself
      InvariantError             a bug: the process must stop
"""


class OmegaError(Exception):
    """Root of all errors that omegacell raises on purpose."""


class UsageError(OmegaError):
    """The caller's input is wrong; the message names the field and what was expected."""


class MalformedError(OmegaError):
    """Bytes or commands that break the format; in a log they become the outcome MALFORMED."""


class ClosedError(OmegaError):
    """Something was used after it was closed."""


class PluginError(OmegaError):
    """A scheduler could not be loaded, or raised while deciding."""


class StoreError(OmegaError):
    """The log, its payloads or its checkpoints failed."""


class StoreLockedError(StoreError):
    """Another process holds what this one needs."""


class StoreCorruptError(StoreError):
    """The bytes read are not the bytes that were written."""


class StoreCutShortError(StoreCorruptError):
    """The file ends before the bytes that its own header promises."""


class StoreFullError(StoreError):
    """No room is left; everything acknowledged before is still there."""


class StoreReadOnlyError(StoreError):
    """The file or its file system takes no writes."""


class StoreVersionError(StoreError):
    """The store was written in another format."""


class NotAStoreError(StoreVersionError):
    """The file is no store of omegacell."""


class StoreNotFoundError(StoreError):
    """There is no store at the place that was named."""


class StoreExistsError(StoreError):
    """Something already stands where a new store was to be written."""


class StoreReplacedError(StoreError):
    """The file was moved, deleted or replaced while it was open; reopen to go on."""


class StoreIOError(StoreError):
    """The disk failed in a way that has no better name."""


class StoreUnreachableError(StoreError):
    """No server of the store answers, or they have no leader."""


class StoreDeniedError(StoreError):
    """The store's server does not know the user, or refuses them."""


class StoreUnsupportedError(StoreError):
    """The engine or its file system cannot keep the promises of a log."""


class TruncatedError(StoreError):
    """What was asked for lies below the oldest entry that is kept.

    Attributes:
        oldest: The cursor from which reading is possible; 0 when the raiser does not know it.
    """

    def __init__(self, message: str, *, oldest: int = 0) -> None:
        super().__init__(message)
        self.oldest = oldest


class CheckpointGoneError(StoreError):
    """A checkpoint was deleted, perhaps while it was being read; start again from the newest."""


class EntryTooLargeError(StoreError):
    """An entry is above the limit that holds in every engine."""


class AnswerLostError(StoreError):
    """The answer to an append was lost: it may or may not be in the log."""


class DivergedError(StoreError):
    """This fold differs from the author's, or from itself when repeated."""


class InvariantError(OmegaError):
    """A bug: the state contradicts itself. The process must stop."""
