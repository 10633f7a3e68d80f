"""What is wrong with a job file, and where: a line, a column, the field, what should be there and what is.

What pydantic says of a value is put into the words of the job file here.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from omegacell.api.documents import Document, Path_
from omegacell.api.spec_model import DEVICE_PATTERN, JobFile
from omegacell.api.spec_placement import NAME_PATTERN
from omegacell.core.errors import UsageError

MAX_PROBLEMS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a job file.

    Attributes:
        source: the file; line and column: where, from 1.
        field: the path of the field, as in ``task.exec.env``.
        expected: what should be there.
        found: what is, shortened.
    """

    source: str
    line: int
    column: int
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        found = f", found {self.found}" if self.found else ""
        where = f"{self.field}: " if self.field else ""
        return f"{self.source}:{self.line}:{self.column}: {where}{self.expected}{found}"


class JobFileError(UsageError):
    """A job file is readable and not right; one line a problem.

    Attributes:
        problems: in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        if len(self.problems) > MAX_PROBLEMS_SHOWN:
            lines.append(f"and {len(self.problems) - MAX_PROBLEMS_SHOWN} more")
        super().__init__("\n".join(lines))


def describe(document: Document, path: Path_, expected: str, found: str) -> Problem:
    """Return what is wrong at a path of a document."""
    mark = document.mark(path)
    field = ".".join(str(step) for step in path)
    return Problem(
        source=document.source, line=mark.line, column=mark.column, field=field, expected=expected, found=found
    )


_EXPECTED: Final[Mapping[str, str]] = {
    "string_type": "expected text (in quotes, if it looks like a number)",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of names to values",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "dataclass_exact_type": "expected a text, such as 'zone = a'",
    "string_too_long": "expected at most {max_length} characters",
    "too_long": "expected at most {max_length} entries",
    "too_short": "expected at least {min_length} entry",
}
_PATTERNS: Final[Mapping[str, str]] = {
    NAME_PATTERN: "expected 1 to 63 lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit",
    DEVICE_PATTERN: "expected names of lower-case letters, digits, '.', '_' and '-', joined by '/', such as nvidia/gpu",
    r"^[a-z]([a-z0-9_]{0,30})$": "expected a lower-case word of letters, digits and '_', at most 31 long",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "expected the name of an environment variable",
    r"^[a-z][a-z0-9_]{0,62}$": "expected a lower-case word of letters, digits and '_', at most 63 long",
    r"^[ -~]+$": "expected the name of an attribute, in printable ASCII characters",
    r"^[^\x00-\x1f\x7f]*$": "expected text without control characters",
    r"^[^\x00]*$": "expected text without NUL characters",
    r"^[^\x00]+$": "expected text that is not empty, without NUL characters",
    r"^0?[0-7]{3}$": 'expected permission bits in octal and in quotes, such as "755"',
    r"^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$": "expected the name or number of a user",
    r"^[!-~]([ -~]*[!-~])?$": "expected a word of printable ASCII characters, without spaces around it",
    r"^/[!-~]*$": "expected a path that begins with '/', without spaces",
}


def translate_errors(
    document: Document, details: Iterable[Mapping[str, Any]], *, model: type[BaseModel] = JobFile
) -> list[Problem]:
    """Return in the words of a file of this model what pydantic found wrong; a rule says each thing on its own line."""
    problems = []
    for detail in details:
        if detail["type"] == "value_error":
            lines = str(detail["ctx"]["error"]).split("\n")
            problems += [translate_error(document, {**detail, "ctx": {"error": line}}, model=model) for line in lines]
        else:
            problems.append(translate_error(document, dict(detail), model=model))
    return problems


def translate_error(document: Document, detail: dict[str, Any], *, model: type[BaseModel] = JobFile) -> Problem:
    """Return in the words of a file of this model what pydantic found wrong, as one of its error details."""
    path, is_key = _path_of(document, detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return describe(document, path, "missing; this field is required", "")
        case "extra_forbidden":
            mark = document.keys.get(path, document.mark(path))
            field = ".".join(str(step) for step in path)
            return Problem(
                source=document.source,
                line=mark.line,
                column=mark.column,
                field=field,
                expected=_word_unknown(path, model),
                found="",
            )
        case "value_error":
            named, expected = _named_field(document, path, str(context["error"]))
            if named:
                return describe(document, named, expected, "")
            is_about_parts = detail["loc"] == () or isinstance(_value_at(document, path), dict)
            return describe(document, path, expected, "" if is_about_parts else show(_value_at(document, path)))
        case "string_pattern_mismatch":
            expected = _PATTERNS[context["pattern"]]
        case "model_type":
            known = ", ".join(_fields_at(path, model))
            expected = "expected a mapping of fields" + (f": {known}" if known else "")
        case kind:
            expected = _EXPECTED.get(kind, f"expected something else ({detail['msg']})").format(**context)
    return describe(document, path, expected, show(path[-1] if is_key else _value_at(document, path)))


def _path_of(document: Document, location: tuple[str | int, ...]) -> tuple[Path_, bool]:
    """Drop what pydantic adds to a path (names of union members, "[key]") and keep what stands in the file."""
    is_key = bool(location) and location[-1] == "[key]"
    path: list[str | int] = []
    value = document.value
    for place, step in enumerate(location):
        is_entry = isinstance(value, dict) and step in value
        is_place = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if is_entry or is_place:
            value = value[step]
        elif place < len(location) - 1 or not isinstance(value, dict) or is_key:
            continue
        path.append(step)
    return tuple(path), is_key


def _named_field(document: Document, path: Path_, words: str) -> tuple[Path_, str]:
    """Split what a rule about several fields says into the field that it begins with, and the rest.

    The field is empty when the words begin with none that stands in the file.
    """
    name, colon, rest = words.partition(": ")
    value = _value_at(document, path)
    for step in name.split("."):
        if not colon or not isinstance(value, dict) or step not in value:
            return (), words
        value = value[step]
    return (*path, *name.split(".")), rest


def _value_at(document: Document, path: Path_) -> object:
    value = document.value
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return value


def _fields_at(path: Path_, whole: type[BaseModel]) -> list[str]:
    """Return the fields that the mapping at a path may have; none where that is not known."""
    model: type[BaseModel] | None = whole
    steps = iter(path)
    for step in steps:
        if isinstance(step, int):
            continue  # a place in a list: its model is that of the list's field
        field = model.model_fields.get(step) if model else None
        model = _model_of(field) if field else None
        if field and get_origin(field.annotation) is dict:
            next(steps, None)  # a key that the user chose
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _word_unknown(path: Path_, whole: type[BaseModel]) -> str:
    known = _fields_at(path[:-1], whole)
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    if near:
        return f"unknown field; did you mean {near[0]!r}?"
    return f"unknown field; expected one of {', '.join(known)}"


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    choices = (field.annotation, *getattr(field.annotation, "__args__", ()))
    for choice in choices:
        for each in (choice, *getattr(choice, "__args__", ())):
            if isinstance(each, type) and issubclass(each, BaseModel):
                return each
    return None


def show(value: object) -> str:
    """Return a value as a message shows it, shortened."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= 60 else f"{text[:57]}..."
