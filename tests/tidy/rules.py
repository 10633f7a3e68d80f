"""What a module may not do, as functions from a parsed module to complaints.

Each rule is tried on snippets that break it (``test_rules.py``) before it is trusted with the tree. A complaint is
``(line, words)``. A checker sees names, not types: where it has to guess, the guess is written down at the rule.
"""

import ast
from collections.abc import Iterator

Complaint = tuple[int, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef

MAX_FUNCTION_LINES = 70
MAX_CLASS_LINES = 300
MAX_PARAMETERS = 5
MAX_NESTING = 4  # compound statements inside one another: the three of style, and the `with` or `match` around them

BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
BANNED_MODULE_WORDS = {"util", "utils", "common", "helper", "helpers", "misc", "manager", "managers", "base"}
BANNED_CLASS_WORDS = ("Util", "Utils", "Common", "Helper", "Helpers", "Misc", "Manager")

CORE_IMPORTS = {
    "__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "enum", "fnmatch", "functools",
    "hashlib", "heapq", "itertools", "json", "numba", "numpy", "omegacell", "operator", "string", "struct", "types",
    "typing",
}  # fmt: skip
FLOAT_CALLS = {"mean", "average", "median", "std", "var", "divide", "true_divide", "float16", "float32", "float64"}
ORDER_FREE_CALLS = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"}
ALLOCATORS = {"array", "asarray", "zeros", "ones", "empty", "arange", "full", "fromiter", "frombuffer"}


def find_oversized(tree: ast.Module) -> Iterator[Complaint]:
    """Find functions and classes that are too long."""
    for node in ast.walk(tree):
        limit = MAX_FUNCTION_LINES if isinstance(node, Function) else MAX_CLASS_LINES
        if isinstance(node, Function | ast.ClassDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > limit:
                yield node.lineno, f"{node.name} has {length} lines, {limit} is the limit"


def find_many_parameters(tree: ast.Module) -> Iterator[Complaint]:
    """Find functions of more than five parameters; a typer command's are its options and do not count."""
    for function in functions(tree):
        arguments = function.args
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > MAX_PARAMETERS and not is_command(function):
            yield function.lineno, f"{function.name} takes {count} parameters, {MAX_PARAMETERS} is the limit"


def find_deep_nesting(tree: ast.Module) -> Iterator[Complaint]:
    """Find blocks nested too deep inside a function."""
    for function in functions(tree):
        for child in function.body:
            yield from too_deep(child, 0, function.name)


def too_deep(node: ast.AST, depth: int, name: str) -> Iterator[Complaint]:
    """Walk down one statement; an ``elif`` is no deeper than its ``if``."""
    if isinstance(node, Function | ast.ClassDef | ast.Lambda):
        return
    depth += isinstance(node, BLOCKS)
    if depth > MAX_NESTING and isinstance(node, BLOCKS):
        yield node.lineno, f"{name}: {depth} blocks inside one another, {MAX_NESTING} is the limit"
        return
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        yield from too_deep(child, depth - is_elif, name)


def find_swallowed(tree: ast.Module) -> Iterator[Complaint]:
    """Find handlers that catch everything and do nothing."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        catches_all = node.type is None or names_in(node.type) & {"Exception", "BaseException"}
        does_nothing = all(isinstance(each, ast.Pass | ast.Continue) or is_ellipsis(each) for each in node.body)
        if catches_all and does_nothing:
            yield node.lineno, "an exception is swallowed"


def find_undocumented(tree: ast.Module) -> Iterator[Complaint]:
    """Find public modules, classes, functions and methods without a docstring."""
    if not ast.get_docstring(tree):
        yield 1, "the module has no docstring"
    yield from undocumented_in(tree.body, "")


def undocumented_in(body: list[ast.stmt], prefix: str) -> Iterator[Complaint]:
    """Look at the public names that one body defines."""
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        inherits = isinstance(node, Function) and any("override" in names_in(each) for each in node.decorator_list)
        if not ast.get_docstring(node) and not inherits:
            yield node.lineno, f"{prefix}{node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from undocumented_in(node.body, f"{prefix}{node.name}.")


def find_banned_classes(tree: ast.Module) -> Iterator[Complaint]:
    """Find classes named after nothing in particular."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_CLASS_WORDS):
            yield node.lineno, f"{node.name}: say what it is"


def find_impure_imports(tree: ast.Module) -> Iterator[Complaint]:
    """Find imports that the pure core may not have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            if module.split(".")[0] not in CORE_IMPORTS or module.startswith("numpy.random"):
                yield node.lineno, f"the core may not import {module}"


def find_floats(tree: ast.Module) -> Iterator[Complaint]:
    """Find floats: literals, the type, true division, and numpy's functions that return them."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield node.lineno, f"a float: {value}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node.lineno, "true division makes floats: use //"
            case ast.Name(id="float" | "complex" as name):
                yield node.lineno, f"the core has no {name}"
            case ast.Attribute(attr=attribute) if attribute in FLOAT_CALLS:
                yield node.lineno, f".{attribute} makes floats"
            case ast.Call(func=ast.Attribute(attr="bincount"), args=args, keywords=keywords) if len(args) > 1 or any(
                each.arg == "weights" for each in keywords
            ):
                yield node.lineno, "a weighted bincount sums in floats: use np.add.at"


def find_unstable_order(tree: ast.Module) -> Iterator[Complaint]:
    """Find orders that differ between machines or runs: unstable sorts, ``hash``, random numbers, ``casefold``.

    A ``.sort`` without ``kind`` is taken for an array's: a list is sorted with ``sorted`` or with ``key=``.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="sort" | "argsort" as name), keywords=keywords):
                kinds = [each.value for each in keywords if each.arg == "kind"]
                is_stable = any(isinstance(each, ast.Constant) and each.value == "stable" for each in kinds)
                if not is_stable and not any(each.arg == "key" for each in keywords):
                    yield node.lineno, f'{name} without kind="stable"'
            case ast.Attribute(attr="argpartition" | "casefold" | "random" as name):
                yield node.lineno, f".{name} is not the same everywhere"
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="partition"):
                yield node.lineno, "np.partition leaves the order open"
            case ast.Call(func=ast.Name(id="hash")):
                yield node.lineno, "hash() depends on PYTHONHASHSEED"
            case ast.Call(func=ast.Name(id="id")):
                yield node.lineno, "id() depends on the process"


def find_set_iteration(tree: ast.Module) -> Iterator[Complaint]:
    """Find loops over sets, which have no order to rely on; into ``sorted(...)`` or another set is fine.

    A set is what is written as one, and a name or attribute that this module assigns one to or annotates as one.
    """
    known = set_names(tree)
    harmless = set(unordered_comprehensions(tree))
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=over) if is_set(over, known):
                yield over.lineno, "iterates over a set: sort it"
            case ast.ListComp() | ast.DictComp() | ast.GeneratorExp() if node not in harmless:
                for each in node.generators:
                    if is_set(each.iter, known):
                        yield each.iter.lineno, "iterates over a set: sort it"
            case ast.Call(func=ast.Name(id="list" | "tuple" | "enumerate" | "iter" | "next"), args=[first, *_]) if (
                is_set(first, known)
            ):
                yield node.lineno, "takes a set in its own order: sort it"
            case _:
                pass


def unordered_comprehensions(tree: ast.Module) -> Iterator[ast.AST]:
    """Give the comprehensions whose order is lost or restored by the call around them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ORDER_FREE_CALLS:
            yield from node.args


def find_row_slips(tree: ast.Module) -> Iterator[Complaint]:
    """Find negative literal indexes, and ``+=`` through what looks like an array of rows (a plural name)."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as number))):
                yield node.lineno, f"index -{number}: row -1 is the last machine; count from the front"
            case ast.AugAssign(target=ast.Subscript(slice=index)):
                first = index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index
                if isinstance(first, ast.Name) and first.id.endswith("s") and not first.id.endswith("ss"):
                    yield node.lineno, f"[{first.id}] += loses repeated rows: use np.add.at"


def find_open_dtypes(tree: ast.Module) -> Iterator[Complaint]:
    """Find arrays made without a dtype, which then depends on the platform or on the values."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name), args=args) if (
                name in ALLOCATORS
            ):
                place = 2 if name in ("full",) else 1
                if len(args) <= place and not any(each.arg == "dtype" for each in node.keywords):
                    yield node.lineno, f"np.{name} without a dtype"


def functions(tree: ast.AST) -> Iterator[Function]:
    """Give every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def is_command(function: Function) -> bool:
    """Whether typer calls this function: it is decorated as a command, or a parameter is annotated as an option."""
    calls = (each.func for each in function.decorator_list if isinstance(each, ast.Call))
    if any(isinstance(each, ast.Attribute) and each.attr in ("command", "callback") for each in calls):
        return True
    annotations = (each.annotation for each in (*function.args.args, *function.args.kwonlyargs))
    return any(each is not None and "typer" in names_in(each) for each in annotations)


def is_ellipsis(node: ast.stmt) -> bool:
    """Whether a statement is a bare constant, such as ``...``."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_set(node: ast.expr, known: set[str]) -> bool:
    """Whether an expression is a set, as far as the text tells."""
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in known
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), left=left, right=right):
            return is_set(left, known) or is_set(right, known)
        case _:
            return False


def set_names(tree: ast.Module) -> set[str]:
    """Collect the names and attributes that are assigned or annotated as sets."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=annotation):
                if is_set_annotation(annotation):
                    found.add(name)
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                if is_set_annotation(annotation):
                    found.add(name)
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value):
                if is_set(value, set()):
                    found.add(name)
    return found


def is_set_annotation(node: ast.expr) -> bool:
    """Whether an annotation names a set type at its outermost level."""
    outer = node.value if isinstance(node, ast.Subscript) else node
    return isinstance(outer, ast.Name) and outer.id in ("set", "frozenset", "Set", "AbstractSet", "MutableSet")


def names_in(node: ast.expr) -> set[str]:
    """Collect every name and attribute inside an expression."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


CORE_RULES = (
    find_impure_imports,
    find_floats,
    find_unstable_order,
    find_set_iteration,
    find_row_slips,
    find_open_dtypes,
)
PRODUCT_RULES = (
    find_oversized,
    find_many_parameters,
    find_deep_nesting,
    find_swallowed,
    find_undocumented,
    find_banned_classes,
)
TEST_RULES = (find_oversized, find_swallowed)
