"""Finding a scheduler by what a person writes: a name, ``module:Class``, or a path to a file.

    batch                     an entry point of the group ``omegacell.schedulers``
    my_package.mine:Mine      a class in a module that can be imported
    ./mine.py, ./mine.py:Mine a class in a file; without a name the only scheduler in it

Whatever goes wrong while loading is one `PluginError` whose message names the target, what failed and where. Loading
runs the plug-in's own code: nothing here makes an untrusted file safe.
"""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from omegacell.core.errors import PluginError
from omegacell.schedulers.interface import Scheduler, Traits

GROUP: Final = "omegacell.schedulers"
PARAMETERS: Final = ("pending", "cell", "ctx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A scheduler that is installed as an entry point.

    Attributes:
        name: by which it is run.
        target: ``module:Class``.
        distribution: the package that brings it, empty when unknown.
        summary: the first line of its documentation; empty when it cannot be loaded.
        problem: why it cannot be loaded, empty when it can.
    """

    name: str
    target: str
    distribution: str
    summary: str
    problem: str


def load_scheduler(target: str) -> Scheduler:
    """Find a scheduler's class and make one.

    Raises:
        PluginError: it cannot be found, imported or made, or is no scheduler.
    """
    cls = load_class(target)
    made: Scheduler = _guard(target, "could not be made", cls)
    return made


def load_class(target: str) -> type[Any]:
    """Find a scheduler's class and check that it is one.

    Raises:
        PluginError: it cannot be found or imported, or is no scheduler.

    >>> load_class("omegacell.schedulers.batch:BatchScheduler").__name__
    'BatchScheduler'
    >>> load_class("batch2")
    Traceback (most recent call last):
    omegacell.core.errors.PluginError: scheduler 'batch2': no such name is installed (there are: batch, \
first-fit, least-loaded, service, system); write module:Class or a path to a file for others
    """
    path, _, class_name = target.rpartition(":") if ".py:" in target else (target, "", "")
    if path.endswith(".py"):
        found = _pick(target, _load_file(target, Path(path)), class_name)
    elif ":" in target:
        module_name, _, class_name = target.partition(":")
        if not all(part.isidentifier() for part in module_name.split(".")):
            raise PluginError(f"scheduler {target!r}: expected an installed name, module:Class or file.py:Class")
        module = _guard(target, "could not be imported", lambda: importlib.import_module(module_name))
        found = _pick(target, module, class_name)
    else:
        found = _load_entry_point(target)
    return check_class(target, found)


def check_installed(target: str) -> None:
    """Refuse a plain name that no installed package brings; what else is wrong with a target shows when it is loaded.

    Raises:
        PluginError: there is no such name; the message says which there are.
    """
    if ":" not in target and not target.endswith(".py"):
        _find_entry_point(target)


def installed() -> list[Installed]:
    """Return the schedulers that are installed, by name; those that cannot be loaded say why."""
    return [_describe(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]


def check_class(target: str, found: object) -> type[Any]:
    """Return a scheduler's class if it is one.

    Raises:
        PluginError: it is no class, ``place`` is missing or takes something else, or a class attribute is wrong.
    """
    if not inspect.isclass(found):
        raise PluginError(f"scheduler {target!r}: {found!r} is not a class")
    place = getattr(found, "place", None)
    where = _where_is(found)
    if not callable(place):
        raise PluginError(f"scheduler {target!r}: class {found.__name__} has no method place{where}")
    if inspect.iscoroutinefunction(place):
        raise PluginError(f"scheduler {target!r}: {found.__name__}.place is async; it must be a plain method{where}")
    try:
        inspect.signature(place).bind(None, *PARAMETERS)
    except TypeError:
        taken, expected = inspect.signature(place), ", ".join(("self", *PARAMETERS))
        raise PluginError(
            f"scheduler {target!r}: {found.__name__}.place takes {taken}, expected ({expected}){where}"
        ) from None
    try:
        Traits.of(found)
    except ValueError as error:
        raise PluginError(f"scheduler {target!r}: class {found.__name__}: {error}{where}") from None
    return found


def _load_entry_point(name: str) -> object:
    point = _find_entry_point(name)
    return _guard(name, f"({point.value}) could not be imported", point.load)


def _find_entry_point(name: str) -> EntryPoint:
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        there_are = ", ".join(sorted(points)) or "none"
        raise PluginError(
            f"scheduler {name!r}: no such name is installed (there are: {there_are}); "
            "write module:Class or a path to a file for others"
        )
    return points[name]


def _load_file(target: str, path: Path) -> ModuleType:
    """Import a file under a name of its own, so that two files called alike do not meet."""
    if not path.is_file():
        raise PluginError(f"scheduler {target!r}: there is no file {path}")
    suffix = blake2b(str(path.resolve()).encode(), digest_size=6).hexdigest()
    spec = importlib.util.spec_from_file_location(f"omegacell_plugin_{path.stem}_{suffix}", path)
    if spec is None or spec.loader is None:
        raise PluginError(f"scheduler {target!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader
    sys.modules[spec.name] = module  # dataclasses, pickle and inspect look a class's module up there
    try:
        _guard(target, "could not be imported", lambda: loader.exec_module(module))
    except PluginError:
        del sys.modules[spec.name]
        raise
    return module


def _pick(target: str, module: ModuleType, class_name: str) -> object:
    if class_name:
        found = getattr(module, class_name, None)
        if found is None:
            source = target.rpartition(":")[0]
            where = "" if source.endswith(".py") else _file_of(module)
            raise PluginError(f"scheduler {target!r}: {source} has no class {class_name}{where}")
        return found
    own = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    schedulers = [each for each in own if hasattr(each, "place")]
    if len(schedulers) != 1:
        names = ", ".join(each.__name__ for each in schedulers) or "none"
        raise PluginError(
            f"scheduler {target!r}: the file has {len(schedulers)} classes with a method place ({names}); "
            f"name one: {target}:Class"
        )
    return schedulers[0]


def _guard(target: str, what: str, load: Callable[[], Any]) -> Any:
    """Run a plug-in's own code; whatever it raises becomes one line with the place."""
    try:
        return load()
    except (Exception, SystemExit) as error:  # the plug-in's own code may raise anything
        raise PluginError(f"scheduler {target!r} {what}: {_describe_error(error)}") from error


def _describe_error(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{where}"


def _describe(point: EntryPoint) -> Installed:
    summary = problem = ""
    try:
        cls = load_class(point.name)
        summary = (inspect.getdoc(cls) or "").partition("\n")[0]
    except PluginError as error:
        problem = str(error)
    distribution = point.dist.name if point.dist is not None else ""
    return Installed(name=point.name, target=point.value, distribution=distribution, summary=summary, problem=problem)


def _where_is(cls: type[Any]) -> str:
    try:
        file, (_, line) = inspect.getsourcefile(cls), inspect.getsourcelines(cls)
    except (OSError, TypeError):
        return ""
    return f" ({file}:{line})"


def _file_of(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return f" ({file})" if file else ""
