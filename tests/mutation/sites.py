"""Every place of a module where one small fault can be planted, and the module with that fault in it.

Left alone are docstrings, annotations, log calls and what does nothing else, protocols, abstract bodies, ``__all__``,
``strict=`` (which asserts what holds by construction), and what only a type checker reads.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
"""What becomes of a comparison with the time: no clock meets the very instant, so that moving the bound by it is no fault."""
_TIME = {"now", "monotonic"}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_READING = {
    *("ValueError", "UnicodeError", "UnicodeDecodeError", "RecursionError", "OverflowError", "TypeError", "JSONDecodeError"),
    *("Unparsable", "Unreadable", "Unknown", "Malformed", "PyJWTError"),
}
"""What reading a text raises, and nothing else happens there: such a handler is left out, where others catch everything."""
NOTHING = -1
"""The number of no fault: what comes of a trial without one is known beforehand."""
_LOGGERS = {"log", "_log", "logger", "logging"}


@dataclass(frozen=True, slots=True)
class Site:
    """One fault that can be planted. ``number`` is its place among the module's, ``line`` and ``last_line`` where it stands.

    ``is_called``: whether it stands in a function's body, which runs when that is called; the rest runs with the import.
    """

    path: str
    number: int
    function: str
    line: int
    last_line: int
    operator: str
    before: str
    after: str
    is_called: bool = True

    @property
    def key(self) -> str:
        """Names it by what it changes and not by where, so that it outlives changes elsewhere in the file."""
        return f"{self.path} {self.function}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, and where it hangs."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    function: str
    is_called: bool

    def put(self, replacement: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, replacement)
        else:
            getattr(self.parent, self.field)[self.index] = replacement


def sites(path: str, source: str) -> list[Site]:
    """All of a module's, in the order of its text."""
    found = []
    for number, (place, operator, replacement) in enumerate(_changes(ast.parse(source))):
        line, last = _lines(place.node)
        before, after = _text(place.node), _text(replacement)
        found.append(Site(path, number, place.function, line, last, operator, before, after, place.is_called))
    return found


def _lines(node: ast.AST) -> tuple[int, int]:
    """Where what is changed stands: of a handler, a branch or a loop that is the first line alone."""
    if isinstance(node, ast.comprehension):
        return node.target.lineno, max(each.end_lineno or each.lineno for each in node.ifs)
    if isinstance(node, ast.ExceptHandler | ast.If | ast.While):
        return node.lineno, node.lineno
    first: int = getattr(node, "lineno", 1)
    return first, getattr(node, "end_lineno", None) or first


def planted(source: str, number: int) -> ast.Module:
    """The module's tree with the fault of that number in it."""
    tree = ast.parse(source)
    if number == NOTHING:
        return tree
    for at, (place, _, replacement) in enumerate(_changes(tree)):
        if at == number:
            place.put(replacement)
            return ast.fix_missing_locations(tree)
    raise IndexError(number)


def _text(node: ast.AST) -> str:
    """One line that tells what stands there."""
    shown = copy.copy(node)
    if isinstance(shown, ast.ExceptHandler):
        return f"except {ast.unparse(shown.type) if shown.type else ''}".strip()
    if isinstance(shown, ast.If | ast.While):
        return f"{type(shown).__name__.lower()} {ast.unparse(shown.test)}"
    if isinstance(shown, ast.comprehension):
        return " ".join(["for", ast.unparse(shown.target), *(f"if {ast.unparse(each)}" for each in shown.ifs)])
    return " ".join(ast.unparse(shown).split())


def _changes(tree: ast.Module) -> Iterator[tuple[_Place, str, ast.AST]]:
    for place in _places(tree, "", is_called=False):
        for operator, replacement in _replacements(place):
            yield place, operator, ast.copy_location(replacement, place.node)


def _places(parent: ast.AST, function: str, *, is_called: bool) -> Iterator[_Place]:
    for name, value in ast.iter_fields(parent):
        if name in {"annotation", "returns", "decorator_list", "type_params", "bases"}:
            continue
        listed = isinstance(value, list)
        called = is_called or (name == "body" and isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef))
        for index, node in enumerate(value if listed else [value]):
            if not isinstance(node, ast.AST) or _is_left_alone(node):
                continue
            yield _Place(parent, name, index if listed else None, node, function, called)
            yield from _places(node, _within(node, function), is_called=called)


def _within(node: ast.AST, function: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return f"{function}.{node.name}".lstrip(".")
    return function


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.TypeAlias() | ast.JoinedStr():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in {"__all__", "__slots__", "log", "_log"}
        case ast.keyword(arg="strict"):
            return True
        case ast.ClassDef(bases=bases):
            return any("Protocol" in ast.unparse(base) for base in bases)
    return _only_logs(node)


def _only_logs(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name in _LOGGERS
        case ast.If(body=body, orelse=[]):
            return all(_only_logs(each) for each in body)
    return False


def _replacements(place: _Place) -> Iterator[tuple[str, ast.AST]]:
    match place.node:
        case ast.Constant():
            yield from _constants(place.node)
        case ast.ExceptHandler():
            yield from _handlers(place.node)
        case ast.expr():
            yield from _operators(place.node)
            yield from _choices(place.node)
        case ast.comprehension(ifs=conditions) if conditions:
            yield "filter left out", _with(place.node, "ifs", [])
        case ast.stmt():
            yield from _choices(place.node)
            yield from _statements(place.node)


def _operators(node: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(ops=ops):
            for index, operator in enumerate(ops):
                changed = (_TURNED if _tells_time(node) else _COMPARED).get(type(operator), _COMPARED[type(operator)])
                yield "comparison", _with_list(node, "ops", index, changed())
        case ast.BoolOp(op=joined):
            yield "connective", _with(node, "op", ast.Or() if isinstance(joined, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not left out", copy.copy(operand)
        case ast.BinOp(op=calculated) if type(calculated) in _CALCULATED:
            yield "arithmetic", _with(node, "op", _CALCULATED[type(calculated)]())
        case ast.Set(elts=elements) | ast.Tuple(elts=elements) if len(elements) > 1 and _literal(elements):
            for index in range(len(elements)):
                yield "element left out", _without(node, "elts", index)


def _choices(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """A condition that is nothing but a value: the others have operators, which are turned themselves."""
    result = ast.Compare | ast.UnaryOp | ast.BoolOp | ast.Constant
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, result):
        yield "condition turned", _with(node, "test", ast.UnaryOp(ast.Not(), node.test))


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    match node.value:
        case bool() as value:
            yield "truth", ast.Constant(not value)
        case int() | float() as number:
            yield "number", ast.Constant(number + 1)
        case str() as text if text.replace("_", "").replace("-", "").isalnum():
            # Words that code compares or stores; sentences are for readers.
            yield "word", ast.Constant(f"{text}x")


def _handlers(handler: ast.ExceptHandler) -> Iterator[tuple[str, ast.AST]]:
    caught = handler.type
    if caught is None or ast.unparse(caught) == "Exception":
        return
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    if all(ast.unparse(one).rpartition(".")[2] in _READING for one in each):
        yield "catches nothing", _with(handler, "type", ast.Tuple([], ast.Load()))
    else:
        yield "catches more", _with(handler, "type", ast.Name("Exception", ast.Load()))
    if isinstance(caught, ast.Tuple):
        for index in range(len(each)):
            yield "catches less", _with(handler, "type", _without(caught, "elts", index))


def _tells_time(compared: ast.Compare) -> bool:
    names = (getattr(node, "attr", None) or getattr(node, "id", None) for node in ast.walk(compared))
    return any(name in _TIME for name in names)


def _statements(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign() | ast.Delete():
            yield "statement left out", ast.Pass()
        case ast.Return(value=value) if value is not None and not _says_no(value):
            yield "returns nothing", ast.Return(ast.Constant(None))
        case ast.Continue():
            yield "loop ended", ast.Break()
        case ast.Break():
            yield "loop not ended", ast.Pass()


def _says_no(value: ast.AST) -> bool:
    """``None`` is no other answer then; of a ``False`` the opposite is tried."""
    return isinstance(value, ast.Constant) and (value.value is None or value.value is False)


def _literal(elements: list[ast.expr]) -> bool:
    return all(isinstance(each, ast.Constant | ast.Attribute) for each in elements)


def _with(node: ast.AST, name: str, value: object) -> ast.AST:
    changed = copy.copy(node)
    setattr(changed, name, value)
    return changed


def _with_list(node: ast.AST, name: str, index: int, value: object) -> ast.AST:
    items = list(getattr(node, name))
    items[index] = value
    return _with(node, name, items)


def _without(node: ast.AST, name: str, index: int) -> ast.AST:
    items = list(getattr(node, name))
    del items[index]
    return _with(node, name, items)
