"""Reads YAML or JSON into plain values, and remembers the line and column of every one of them.

Rules: at most 1 MiB is read, whatever the size of the file; nesting, nodes and what aliases expand to are bounded;
a key stands once; plain words mean what they mean in JSON (``no`` and ``1:30`` are strings, not booleans and numbers).
What the values mean is the business of ``spec``.
"""

import json
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from omegacell.core.errors import UsageError

MAX_FILE_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000
MAX_DOCUMENTS: Final = 1_000

Path_: TypeAlias = tuple[str | int, ...]
"""Where a value stands in its document: keys and places, outermost first."""

_INT: Final = re.compile(r"[-+]?\d{1,30}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\d{1,30}\.\d{0,30}|\.\d{1,30}|\d{1,30})([eE][-+]?\d{1,3})?", re.ASCII)
_QUOTED: Final = frozenset("'\"|>")
_STANDARD_TAG: Final = "tag:yaml.org,2002:"
# What PyYAML finds in plain words; none of it is believed, see `plain_value`.
_PLAIN_KINDS: Final = ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
_PLAIN_TAGS: Final = frozenset(f"{_STANDARD_TAG}{kind}" for kind in _PLAIN_KINDS)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line and a column, both from 1."""

    line: int
    column: int


class DocumentError(UsageError):
    """A file is not readable as YAML or JSON.

    Attributes:
        source: the file's name as the user gave it.
    """

    def __init__(self, source: str, mark: Mark | None, message: str) -> None:
        place = f"{source}:{mark.line}:{mark.column}" if mark else source
        super().__init__(f"{place}: {message}")
        self.source = source


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file.

    Attributes:
        source: the file's name as the user gave it.
        value: dicts, lists, strings, numbers, booleans and None.
        values: where each value stands.
        keys: where each key stands, under the path of its value.
        texts: scalars as they were written, where that differs from their value.
    """

    source: str
    value: Any
    values: dict[Path_, Mark] = field(default_factory=dict)
    keys: dict[Path_, Mark] = field(default_factory=dict)
    texts: dict[Path_, str] = field(default_factory=dict)

    def mark(self, path: Path_) -> Mark:
        """Return where a value stands, or the nearest thing around it that is there."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Mark(1, 1))


def read_file(path: str) -> tuple[str, bytes]:
    """Return the name and the bytes of a file, or of standard input for ``-``.

    Raises:
        UsageError: It cannot be read, or is above `MAX_FILE_BYTES`.
    """
    source = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
            size = ""
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            size = f" ({Path(path).stat().st_size} bytes)" if len(data) > MAX_FILE_BYTES else ""
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(
            f"{source}: larger than a job file may be{size}: expected at most {MAX_FILE_BYTES} bytes;"
            " keep data outside of the job, or submit several files"
        )
    return source, data


def parse_documents(source: str, data: bytes) -> list[Document]:
    """Return the documents of a file, without empty ones.

    Raises:
        DocumentError: It is not readable; the message gives line and column.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        mark = Mark(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        raise DocumentError(source, mark, "expected UTF-8 text, found a byte that is none") from error
    try:
        _check_events(source, text)
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        document = _parse_json(source, text)
        if document is not None:
            return [document]
        raise _error_of(source, error) from error
    documents = [_Builder(source).build(node) for node in nodes]
    return [document for document in documents if document.value is not None]


_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_events(source: str, text: str) -> None:
    """Refuse what is too deep or too much before anything recursive reads it."""
    depth = documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.DocumentStartEvent():
                documents += 1
        if depth > MAX_DEPTH:
            raise DocumentError(source, _mark_of(event.start_mark), f"nested more than {MAX_DEPTH} levels deep")
        if count > 2 * MAX_NODES:
            raise DocumentError(source, _mark_of(event.start_mark), f"more than {MAX_NODES} values in one file")
        if documents > MAX_DOCUMENTS:
            raise DocumentError(
                source, _mark_of(event.start_mark), f"more than {MAX_DOCUMENTS} documents (jobs) in one file"
            )


def _mark_of(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _error_of(source: str, error: yaml.YAMLError) -> DocumentError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        context = f" {error.context}" if error.context else ""
        return DocumentError(source, _mark_of(error.problem_mark), f"not YAML{context}: {error.problem}")
    if isinstance(error, yaml.reader.ReaderError):
        return DocumentError(source, None, f"not YAML: at position {error.position}: {error.reason}")
    return DocumentError(source, None, f"not YAML: {' '.join(str(error).split())}")


def _parse_json(source: str, text: str) -> Document | None:
    """Read what is JSON but not YAML (escaped surrogate pairs); places inside of it are not known."""
    try:
        return Document(source=source, value=json.loads(text, object_pairs_hook=_unique))
    except (ValueError, RecursionError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


class _Builder:
    """Turns the nodes of one document into values and marks; aliases count as often as they are used."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0
        self._document = Document(source=source, value=None)

    def build(self, node: yaml.Node) -> Document:
        """Return the document of a root node."""
        document = self._document
        value = self._value(node, ())
        return Document(
            source=self._source,
            value=value,
            values=document.values,
            keys=document.keys,
            texts=document.texts,
        )

    def _value(self, node: yaml.Node, path: Path_) -> Any:
        self._count += 1
        mark = _mark_of(node.start_mark)
        if self._count > MAX_NODES or len(path) > MAX_DEPTH:
            raise DocumentError(self._source, mark, f"aliases make more than {MAX_NODES} values of this file")
        if node.tag not in _PLAIN_TAGS:
            tag = node.tag.replace(_STANDARD_TAG, "!!")[:60]
            raise DocumentError(self._source, mark, f"tag {tag!r}; expected plain values without tags")
        self._document.values[path] = mark
        match node:
            case yaml.MappingNode():
                return {key: self._value(child, (*path, key)) for key, child in self._pairs(node, path)}
            case yaml.SequenceNode():
                return [self._value(child, (*path, place)) for place, child in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node, path)
            case _:
                raise DocumentError(self._source, mark, f"a {type(node).__name__}; expected a plain value")

    def _pairs(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, yaml.Node]]:
        seen = set()
        for key_node, child in node.value:
            mark = _mark_of(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise DocumentError(self._source, mark, "a key is a list or a mapping; expected a word")
            key = key_node.value
            if key in seen:
                raise DocumentError(self._source, mark, f"key {key[:60]!r} stands twice; expected it once")
            seen.add(key)
            self._document.keys[*path, key] = mark
            yield key, child

    def _scalar(self, node: yaml.ScalarNode, path: Path_) -> Any:
        text = node.value
        if node.style in _QUOTED:
            return text
        value = plain_value(text)
        if not isinstance(value, str):
            self._document.texts[path] = text
        return value


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what an unquoted word means, as in JSON.

    >>> [plain_value(text) for text in ("no", "true", "12", "1.5", "~", "1:30")]
    ['no', True, 12, 1.5, None, '1:30']
    """
    match text:
        case "" | "~" | "null":
            return None
        case "true":
            return True
        case "false":
            return False
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
