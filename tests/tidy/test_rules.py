"""Every rule finds what breaks it, and lets its neighbour pass."""

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.tidy import rules
from tests.tidy.rules import Complaint

Rule = Callable[[ast.Module], Iterator[Complaint]]

BREAKS: list[tuple[Rule, str]] = [
    (rules.find_oversized, "def f():\n" + "    x = 1\n" * 70),
    (rules.find_oversized, "class C:\n" + "    x = 1\n" * 300),
    (rules.find_many_parameters, "def f(a, b, c, *, d, e, g): pass"),
    (rules.find_deep_nesting, "def f():\n if a:\n  for b in c:\n   while d:\n    with e:\n     if g: pass"),
    (rules.find_swallowed, "try: f()\nexcept Exception: pass"),
    (rules.find_swallowed, "try: f()\nexcept: ..."),
    (rules.find_swallowed, "for a in b:\n try: f()\n except (ValueError, BaseException): continue"),
    (rules.find_undocumented, "x = 1"),
    (rules.find_undocumented, '"""M."""\ndef f(): pass'),
    (rules.find_undocumented, '"""M."""\nclass C:\n """C."""\n def f(self): pass'),
    (rules.find_banned_classes, "class JobManager: pass"),
    (rules.find_impure_imports, "import time"),
    (rules.find_impure_imports, "from os import path"),
    (rules.find_impure_imports, "from numpy import random"),
    (rules.find_floats, "x = 0.5"),
    (rules.find_floats, "x = a / b"),
    (rules.find_floats, "a /= b"),
    (rules.find_floats, "x = float(a)"),
    (rules.find_floats, "x = a.mean()"),
    (rules.find_floats, "x = np.zeros(3, dtype=np.float64)"),
    (rules.find_floats, "np.bincount(a, weights=b)"),
    (rules.find_floats, "np.bincount(a, b)"),
    (rules.find_unstable_order, "np.argsort(a)"),
    (rules.find_unstable_order, 'a.sort(kind="quicksort")'),
    (rules.find_unstable_order, "np.argpartition(a, 3)"),
    (rules.find_unstable_order, "np.partition(a, 3)"),
    (rules.find_unstable_order, "hash(a)"),
    (rules.find_unstable_order, "a.casefold()"),
    (rules.find_unstable_order, "np.random.default_rng()"),
    (rules.find_set_iteration, "for a in {1, 2}: pass"),
    (rules.find_set_iteration, "b = {1, 2}\nx = [a for a in b]"),
    (rules.find_set_iteration, "x = tuple(a for a in {1, 2})"),
    (rules.find_set_iteration, "def f(b: frozenset[int]) -> None:\n for a in b: pass"),
    (rules.find_set_iteration, "class C:\n b: set[int]\n def f(self): return list(self.b)"),
    (rules.find_set_iteration, "for a in set(b) | c: pass"),
    (rules.find_row_slips, "a[-1]"),
    (rules.find_row_slips, "use[rows] += 1"),
    (rules.find_row_slips, "use[rows, 0] -= 1"),
    (rules.find_open_dtypes, "np.zeros(3)"),
    (rules.find_open_dtypes, "np.full(3, 0)"),
    (rules.find_open_dtypes, "np.array([1, 2])"),
]

PASSES: list[tuple[Rule, str]] = [
    (rules.find_oversized, "def f():\n" + "    x = 1\n" * 69),
    (rules.find_many_parameters, "class C:\n def f(self, a, b, c, *, d, e): pass"),
    (rules.find_many_parameters, "@app.command('x')\ndef f(a, b, c, d, e, g): pass"),
    (rules.find_deep_nesting, "def f():\n if a: pass\n elif b: pass\n elif c: pass\n elif d: pass\n elif e: pass"),
    (rules.find_swallowed, "try: f()\nexcept ValueError: pass"),
    (rules.find_many_parameters, "def f(a: Annotated[int, typer.Option('--a')], b, c, d, e, g): pass"),
    (rules.find_undocumented, '"""M."""\ndef _f(): pass'),
    (rules.find_undocumented, '"""M."""\nclass C:\n """C."""\n @override\n def f(self): pass'),
    (rules.find_impure_imports, "from omegacell.core import units\nimport numpy as np"),
    (rules.find_floats, "x = a // b\nnp.bincount(a, minlength=3)"),
    (rules.find_unstable_order, 'np.argsort(a, kind="stable")\nnames.sort(key=f)\nsorted(names)'),
    (rules.find_set_iteration, "for a in sorted({1, 2}): pass"),
    (rules.find_set_iteration, "x = frozenset(f(a) for a in {1, 2})"),
    (rules.find_set_iteration, "b = {1: 2}\nfor a in b: pass"),
    (rules.find_row_slips, "a[:-1]\nuse[row] += 1"),
    (rules.find_open_dtypes, "np.zeros(3, dtype=np.int64)\nnp.empty(3, np.int64)\nnp.full(3, 0, np.int64)"),
]


@pytest.mark.parametrize(("rule", "text"), BREAKS)
def test_a_rule_finds_what_breaks_it(rule: Rule, text: str) -> None:
    """A snippet that breaks the rule is found."""
    assert list(rule(ast.parse(text)))


@pytest.mark.parametrize(("rule", "text"), PASSES)
def test_a_rule_lets_its_neighbour_pass(rule: Rule, text: str) -> None:
    """A snippet that keeps the rule is left alone."""
    assert list(rule(ast.parse(text))) == []


def test_every_rule_is_tried_both_ways() -> None:
    """No rule guards the tree that was not seen to fail."""
    used = set(rules.CORE_RULES + rules.PRODUCT_RULES + rules.TEST_RULES)
    assert used == {rule for rule, _ in BREAKS}
