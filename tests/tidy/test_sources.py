"""The rules of ``rules.py`` hold in every module of the tree."""

import ast
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.tidy import rules
from tests.tidy.rules import Complaint
from tests.tidy.tree import Source, core_sources, product_sources, test_sources

Rule = Callable[[ast.Module], Iterator[Complaint]]

MAX_MODULE_LINES = 400


def complaints(rule: Rule, sources: Iterable[Source]) -> list[str]:
    """Apply a rule to modules; give its complaints as a compiler would."""
    return [f"{source.path}:{line}: {words}" for source in sources for line, words in rule(source.tree)]


@pytest.mark.parametrize("rule", rules.CORE_RULES)
def test_the_core_is_deterministic(rule: Rule) -> None:
    """Nothing in the core can differ between two participants that fold the same log."""
    assert core_sources()
    assert complaints(rule, core_sources()) == []


@pytest.mark.parametrize("rule", rules.PRODUCT_RULES)
def test_product_code_keeps_the_rules(rule: Rule) -> None:
    """Functions fit a screen, errors are not swallowed, public names are documented and mean something."""
    assert complaints(rule, product_sources()) == []


@pytest.mark.parametrize("rule", rules.TEST_RULES)
def test_test_code_keeps_the_rules(rule: Rule) -> None:
    """A test is read as often as the code it guards."""
    assert complaints(rule, test_sources()) == []


def test_modules_are_short() -> None:
    """A module has one reason to exist, and 400 lines are enough for it."""
    long = [f"{source.path}: {len(source.lines)} lines" for source in product_sources()]
    assert [
        words for words, source in zip(long, product_sources(), strict=True) if len(source.lines) > MAX_MODULE_LINES
    ] == []


def test_modules_are_named_after_something() -> None:
    """No module or package is called util, common, helpers, misc, manager or base."""
    named = [source.path for source in product_sources() + test_sources()]
    words = {path: set(path.removesuffix(".py").replace("/", "_").split("_")) for path in named}
    assert [path for path in named if words[path] & rules.BANNED_MODULE_WORDS] == []


def test_every_test_states_its_fact() -> None:
    """A test without a docstring does not say what it pins."""
    tests = [
        (f"{source.path}:{function.lineno}: {function.name}", ast.get_docstring(function))
        for source in test_sources()
        for function in rules.functions(source.tree)
        if function.name.startswith("test_") and source.path.rsplit("/", 1)[-1].startswith("test_")
    ]
    assert tests
    assert [name for name, docstring in tests if not docstring] == []
