"""Conditional requests (RFC 9110, 13): ``If-Match``, ``If-None-Match``, and a document's version as an entity tag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

import azure.functions as func

from shared.core.errors import Fault, Malformed, PreconditionFailed
from shared.core.ports.documents import ABSENT, ANY, Expect, Version
from shared.triggers.http.shape import JsonSchema, Parameter

_TAGS = re.compile(r'\s*"[!\x23-\x7e]*"\s*(?:,\s*"[!\x23-\x7e]*"\s*)*')
_TAG = re.compile(r'"[!\x23-\x7e]*"')
_WEAK_TAGS = re.compile(r'\s*(?:W/)?"[!\x23-\x7e]*"\s*(?:,\s*(?:W/)?"[!\x23-\x7e]*"\s*)*')

_LONGEST = 4096
"""Characters of a header: some hundred entity tags."""

IF_NONE_MATCH = Parameter("If-None-Match", {"const": "*"}, "Make only what does not exist.")
_ENTITY_TAG = r'"[!\x23-\x7e]*"'


def _tags(one: str) -> JsonSchema:
    example = '"9f86d081884c7d659a2feaa0c55ad015"'
    return {"type": "string", "maxLength": _LONGEST, "pattern": rf"^(\*|{one}(, ?{one})*)$", "examples": [example]}


IF_CHANGED = Parameter(
    "If-None-Match",
    _tags(f"(W/)?{_ENTITY_TAG}"),
    "Entity tags that the caller has: of these, 304 is answered.",
)


def if_match(description: str) -> Parameter:
    """Returns the header's declaration, with its description for one call."""
    return Parameter("If-Match", _tags(_ENTITY_TAG), description)


def tag_of(version: str) -> str:
    """Returns a strong entity tag. It does not show what the store calls the version."""
    return f'"{sha256(version.encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a request. If ``tags`` is empty, any existing version will do. Without ``If-Match`` it is ``None``."""

    tags: frozenset[str] | None = None
    must_be_new: bool = False

    def expected(self, former: str | None) -> Expect:
        """Returns the version that the store is to expect, given the present one. Raises ``PreconditionFailed``."""
        if self.must_be_new:
            if former is not None:
                raise PreconditionFailed("There is one already.")
            return ABSENT
        if self.tags is None:
            return ANY
        if former is None or (self.tags and tag_of(former) not in self.tags):
            raise PreconditionFailed
        return Version(former)


def conditions(request: func.HttpRequest) -> Conditions:
    """Reads the conditions. Raises ``Malformed`` if a tag is weak or has no quotes, or if both headers are there."""
    match = request.headers.get("if-match")
    none_match = request.headers.get("if-none-match")
    if match is not None and none_match is not None:
        raise Malformed(Fault("If-None-Match", "is not taken together with If-Match"))
    if none_match is not None and none_match.strip() != "*":
        raise Malformed(Fault("If-None-Match", "expected *"))
    if match is None:
        return Conditions(must_be_new=none_match is not None)
    if match.strip() != "*" and (len(match) > _LONGEST or _TAGS.fullmatch(match) is None):
        raise Malformed(Fault("If-Match", 'expected * or entity tags in double quotes, without W/, such as "abc"'))
    return Conditions(frozenset(_TAG.findall(match)))


def is_unchanged(request: func.HttpRequest, version: str) -> bool:
    """Returns whether the caller of a GET has this version already. Raises ``Malformed`` if what it sends are no entity tags.

    Tags are compared weakly: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2.
    """
    known = request.headers.get("if-none-match")
    if known is None:
        return False
    if known.strip() == "*":
        return True
    if len(known) > _LONGEST or _WEAK_TAGS.fullmatch(known) is None:
        raise Malformed(Fault("If-None-Match", 'expected * or entity tags in double quotes, such as "abc"'))
    return tag_of(version) in _TAG.findall(known)
