"""Sentences of plug-ins, made fit for the log: one line, no control characters, no longer than a log takes."""

from omegacell.core.units import MAX_TEXT_LENGTH


def clean_note(text: object, *, limit: int = MAX_TEXT_LENGTH) -> str:
    r"""Return any object's text as one printable line of at most ``limit`` characters.

    >>> clean_note("no rack\nfor\x1b it")
    'no rack for it'
    """
    try:
        words = str(text)
    except Exception as error:  # noqa: BLE001  # a plug-in's own __str__ may raise anything
        words = f"(a message that cannot be shown: {type(error).__name__})"
    encodable = words.encode("utf-8", "replace").decode()
    printable = "".join(letter if letter >= " " and letter != "\x7f" else " " for letter in encodable)
    return " ".join(printable.split())[:limit]
