"""The field ``parameters`` of a role's document: what may fill the role's holes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.core.access.stars import covers_text
from shared.core.access.wanted import LONGEST_PARAMETER_VALUE, MAX_PARAMETERS, PARAMETER_NAME
from shared.core.errors import Fault
from shared.core.parameters.kinds import KINDS, ParameterKind
from shared.core.parameters.pattern import ONLY_STARS, is_pattern, only_stars
from shared.core.parameters.source import FITTING, OF_THE_RESOURCE, Fact
from shared.core.parsing import Reader, nearest

FIELD = "parameters"
"""The name of the field, in a role's document and in a request for a lease."""
MAX_ALLOWED = 64
_NAME = re.compile(PARAMETER_NAME)
_FIELDS = frozenset({"kind", "allowed", "any", "default", "from", "description"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a role.

    ``allowed`` are values and patterns, as they were written. ``any``: whether every well-formed value will do. ``default``
    makes it optional. ``source`` is the fact about the caller that fills it (``from``): then ``allowed`` only takes away, and
    the caller gives no value.
    """

    name: str
    kind: ParameterKind
    allowed: tuple[str, ...] = ()
    any: bool = False
    default: str | None = None
    source: Fact | None = None
    description: str = ""

    def allows(self, value: str) -> bool:
        """Returns whether a well-formed value is within the bounds. Without any bounds, only a fact is."""
        if not self.allowed:
            return self.any or self.source is not None
        folded = self.kind.folded(value)
        return any(covers_text(self.kind.folded(each), folded) for each in self.allowed)

    @property
    def is_listed(self) -> bool:
        """Whether ``allowed`` names every value that it can have."""
        return bool(self.allowed) and not any(map(is_pattern, self.allowed))

    @property
    def path(self) -> str:
        """Where it stands in a role's document, and in a request."""
        return f"{FIELD}.{self.name}"

    @property
    def bounds(self) -> str:
        """Its bounds in words, for a caller that may issue the role."""
        return f"allowed: {', '.join(self.allowed)}" if self.allowed else "any value of its kind"


def widens(former: Iterable[Parameter], parameters: Iterable[Parameter]) -> bool:
    """Returns whether a role's new parameters let something through that its former ones did not, as far as bounds show it.

    A value more in ``allowed``, ``any`` in place of a list, ``from`` dropped or changed, another kind, a parameter more or
    less: each of these does. A narrower pattern does not.
    """
    before, after = {each.name: each for each in former}, {each.name: each for each in parameters}
    return before.keys() != after.keys() or any(_widens(before[name], after[name]) for name in after)


def _widens(former: Parameter, parameter: Parameter) -> bool:
    if (former.kind, former.source) != (parameter.kind, parameter.source):
        return True
    if not former.allowed:
        return parameter.any and not former.any
    folded = parameter.kind.folded
    covered = (any(covers_text(folded(mine), folded(each)) for mine in former.allowed) for each in parameter.allowed)
    return not parameter.allowed or not all(covered)


def needs_principal(parameters: Iterable[Parameter]) -> bool:
    """Returns whether a request needs the caller's service principal from the directory: a fact about its resource."""
    return any(each.source in OF_THE_RESOURCE for each in parameters)


def read_parameters(reader: Reader, faulty: dict[str, Parameter | None] | None = None) -> tuple[Parameter, ...]:
    """Returns the parameters of a role's document, in its order. Empty if the field is absent.

    Notes every fault in the reader, with its path: ``parameters.x.allowed[3]``. A parameter with a fault is left out. It is
    added to ``faulty`` as far as it could be read: ``None`` if its kind is not known.
    """
    document = reader.take(FIELD)
    if not reader.has(FIELD):
        return ()
    if not isinstance(document, Mapping) or not 0 < len(document) <= MAX_PARAMETERS:
        reader.fault(FIELD, f"expected an object with 1 to {MAX_PARAMETERS} parameters; leave the field out to have none")
        return ()
    found = (_parameter(name, value, reader, {} if faulty is None else faulty) for name, value in document.items())
    return tuple(each for each in found if each is not None)


def write_parameters(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Returns the value of the field. What a parameter does not have is left out."""
    return {each.name: _written(each) for each in parameters}


def restore_parameters(stored: Any) -> tuple[Parameter, ...] | None:
    """Returns stored parameters; ``None`` if any of them cannot be read. ``stored`` is the field, ``None`` if there is none.

    A parameter with a field, a kind or a fact that this version does not know cannot be read: it may take values away. The
    rules of today are not looked at. A value is judged by them when a caller gives it.
    """
    if stored is None:
        return ()
    found = [_restored(name, value) for name, value in stored.items()] if isinstance(stored, Mapping) else [None]
    return None if None in found else tuple(each for each in found if each is not None)


def _parameter(name: str, value: Any, outer: Reader, faulty: dict[str, Parameter | None]) -> Parameter | None:
    faults: list[Fault] = []
    reader = Reader(value, f"{outer.at(FIELD)}.{name}", faults)
    if _NAME.fullmatch(name) is None:
        reader.fault("", "a parameter's name is 1 to 32 characters of a-z, 0-9 and _, a letter first")
    found = _read(name, reader) if isinstance(value, Mapping) else None
    outer.faults.extend(faults)
    if not faults:
        return found
    if _NAME.fullmatch(name) is not None:
        faulty[name] = found
    return None


def _read(name: str, reader: Reader) -> Parameter | None:
    """Reads one parameter's fields. What depends on a kind is looked at if the kind is known."""
    kind = KINDS.get(_word(reader, "kind", [*KINDS], required=True))
    source = _word(reader, "from", [*Fact])
    description = reader.text("description") or ""
    any_value = reader.flag("any", default=False)
    allowed = reader.items("allowed", _text(kind), most=MAX_ALLOWED)
    default = reader.take("default")
    reader.done()
    if kind is None:
        if reader.has("default") and not isinstance(default, str):
            reader.fault("default", "expected a text")
        return None
    found = Parameter(name, kind, allowed, any_value, None, Fact(source) if source else None, description)
    _judge_bounds(found, reader)
    _judge_source(found, reader)
    if not reader.has("default"):
        return found
    return _with_default(found, default, reader)


def _judge_bounds(found: Parameter, reader: Reader) -> None:
    kind = found.kind
    if reader.has("allowed") and found.any:
        reader.fault("any", "expected either allowed or any: true")
    elif kind.only_listed and not reader.has("allowed"):
        reader.fault("allowed", f"is required: a parameter of kind {kind.name} lists every value, also one with from")
    elif not reader.has("allowed") and (not reader.has("any") or reader.take("any") is False) and not reader.has("from"):
        reader.fault("", "expected allowed, any: true or from: say which values will do")


def _judge_source(found: Parameter, reader: Reader) -> None:
    if found.source is None:
        return
    if found.kind.name not in FITTING[found.source]:
        fitting = ", ".join(name for name in KINDS if name in FITTING[found.source])
        reader.fault("from", f"{found.source} fills a parameter of kind {fitting}, not {found.kind.name}")
    if reader.has("default"):
        reader.fault("default", "expected either default or from: a caller without the fact is refused")


def _with_default(found: Parameter, default: Any, reader: Reader) -> Parameter:
    if not isinstance(default, str):
        reader.fault("default", "expected a text")
        return found
    if why := found.kind.wrong(default):
        reader.fault("default", why)
    elif not reader.faults and not found.allows(default):
        reader.fault("default", "is not among the allowed values")
    return replace(found, default=default)


def _word(reader: Reader, field: str, words: list[str], *, required: bool = False) -> str:
    """Reads one of a few words. Returns an empty text if it is absent or has a fault."""
    value = reader.take(field)
    if not reader.has(field):
        if required:
            reader.fault(field, f"is required: one of {', '.join(words)}")
        return ""
    if isinstance(value, str) and value in words:
        return value
    hint = nearest(value[:LONGEST_PARAMETER_VALUE], words) if isinstance(value, str) else ""
    reader.fault(field, f"expected one of {', '.join(words)}{hint}")
    return ""


def _text(kind: ParameterKind | None) -> Any:
    """Returns a reader of one item of ``allowed``. Without a kind, only its type is looked at."""

    def read(value: Any, path: str, faults: list[Fault]) -> str | None:
        why = "expected a text" if not isinstance(value, str) else kind.wrong_pattern(value) if kind is not None else ""
        if kind is None and isinstance(value, str) and only_stars(value):
            why = ONLY_STARS
        if why:
            faults.append(Fault(path, why))
            return None
        return str(value)

    return read


def _restored(name: Any, stored: Any) -> Parameter | None:
    if not isinstance(name, str) or not isinstance(stored, Mapping) or not _FIELDS.issuperset(stored):
        return None
    kind, allowed, every = KINDS.get(str(stored.get("kind"))), stored.get("allowed", []), stored.get("any", False)
    default, source, description = stored.get("default"), stored.get("from"), stored.get("description", "")
    sound = (
        isinstance(allowed, list) and all(isinstance(each, str) and not only_stars(each) for each in allowed),
        isinstance(every, bool) and not (every and allowed),
        default is None or isinstance(default, str),
        source is None or source in [*Fact],
        isinstance(description, str),
    )
    if kind is None or not all(sound):
        return None
    return Parameter(name, kind, tuple(allowed), every, default, None if source is None else Fact(source), description)


def _written(parameter: Parameter) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": parameter.kind.name}
    if parameter.allowed:
        document["allowed"] = [*parameter.allowed]
    if parameter.any:
        document["any"] = True
    if parameter.default is not None:
        document["default"] = parameter.default
    if parameter.source is not None:
        document["from"] = parameter.source.value
    return document | ({"description": parameter.description} if parameter.description else {})
