"""The kinds of parameters: which values are well formed, and how values are compared.

Each kind has Azure's naming rule, and refuses more where Azure's own rule would let a value be another path, another literal or
another name on the wire. A value must be in Unicode's normal form C, and is refused otherwise: nothing is normalised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from unicodedata import category, is_normalized, normalize

from shared.core.access.folding import fold
from shared.core.parameters.pattern import ONLY_STARS, STAR, only_stars
from shared.core.plain_text import UNSEEN, is_plain

MAX_BYTES = 1040
"""Of a value, in UTF-8: 260 characters, the longest name of a resource, of four bytes each."""
_LETTERS_AND_DIGITS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"})
_BEYOND_THE_BASIC_PLANE = "\U00010000"
_NOT_IN_A_RESOURCE_NAME = frozenset("<>%&\\?/#{}*;'\":|")
_NOT_IN_OTHER_WIDTHS = _NOT_IN_A_RESOURCE_NAME | {"."}
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_VAULT = re.compile(r"[A-Za-z](-?[A-Za-z0-9])+")
_CONTAINER = re.compile(r"[a-z0-9](-?[a-z0-9])+")
_URL = re.compile(r"https://([^/.]+)\.[^/]+(?:/([^/?]+))?/?", re.IGNORECASE)
_SYSTEM_CONTAINERS = frozenset({"$root", "$web", "$logs"})


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """One kind of parameter.

    ``expected`` is its rule in words. ``holds`` says whether a value may have a character, ``is_whole`` whether a text of such
    characters is a name. ``longest`` is in characters. ``folds``: whether A to Z compare without regard to case. ``after`` is
    the segment, folded, behind which a full resource id has the name. ``in_conditions``: whether it may fill a literal.
    ``only_listed``: whether every value must be listed.
    """

    name: str
    expected: str
    holds: Callable[[str], bool]
    is_whole: Callable[[str], bool]
    longest: int
    folds: bool
    after: str = ""
    in_conditions: bool = False
    only_listed: bool = False
    hint: Callable[[str], str] = lambda _: ""

    def wrong(self, value: str) -> str:
        """Returns why the value is not well formed, in words for whoever wrote it. Empty if it is well formed."""
        if why := _not_plain(value):
            return why
        if 0 < len(value) <= self.longest and all(map(self.holds, value)) and self.is_whole(value):
            return ""
        return f"expected {self.expected}{self._name_in(value) or self.hint(value)}"

    def wrong_pattern(self, text: str) -> str:
        """Returns why the text is neither a well-formed value nor a pattern of such values. Empty if it is one."""
        if STAR not in text:
            return self.wrong(text)
        if only_stars(text):
            return ONLY_STARS
        if self.only_listed:
            return "takes no patterns: every value is listed"
        rest = text.replace(STAR, "")
        if why := _not_plain(rest) or _not_plain(text):
            return why
        if len(text) > self.longest or not all(map(self.holds, rest)):
            return f"expected a pattern of values, which are {self.expected}{self.hint(rest)}"
        return ""

    def folded(self, text: str) -> str:
        """Returns the text as values of this kind are compared."""
        return fold(text) if self.folds else text

    def _name_in(self, value: str) -> str:
        """Returns a hint if the value is a full resource id, or an address of a store: which name in it is meant."""
        url = _URL.fullmatch(value)
        if url is not None:
            names = [url[2] or ""] if self.after == "containers" else [url[1]]
        elif value.startswith("/"):
            segments = value.removesuffix("/").split("/")
            names = [name for before, name in pairwise(segments) if before.lower() == self.after]
            names = names[:1] if self.after else segments[-1:]
        else:
            names = []
        return "".join(f"; give the name: `{name}`" for name in names if not self.wrong_name(name))

    def wrong_name(self, name: str) -> bool:
        """Returns whether the text, which is no id, is not well formed."""
        return not name or "/" in name or bool(self.wrong(name))


def _not_plain(value: str) -> str:
    """Returns what no kind takes. JSON may have half of a surrogate pair, which UTF-8 has not."""
    if not value:
        return "expected a text that is not empty"
    if len(value.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return f"expected at most {MAX_BYTES} bytes"
    if not is_normalized("NFC", value):
        return "expected a text in Unicode's normal form C (NFC): letters and their accents as one character"
    return "" if is_plain(value) else f"expected a text without {UNSEEN}"


def _of_a_group(character: str) -> bool:
    """Not ``isalnum``: that takes other digits and numbers too."""
    return character in "_-.()" or (character < _BEYOND_THE_BASIC_PLANE and category(character) in _LETTERS_AND_DIGITS)


def _of_a_resource(character: str) -> bool:
    """Not a letter of full width either, which a normalisation (NFKC) makes one of those: a full-width slash, say."""
    if character.isascii():
        return character.isprintable() and character not in _NOT_IN_A_RESOURCE_NAME
    return character.isprintable() and _NOT_IN_OTHER_WIDTHS.isdisjoint(normalize("NFKC", character))


def _is_a_resource_name(value: str) -> bool:
    """Returns whether it neither begins nor ends with a blank, nor begins with a mark that would join the slash before it."""
    return value == value.strip() and not category(value[0]).startswith("M") and _is_a_segment(value)


def _of(characters: str) -> Callable[[str], bool]:
    """Returns what says whether a character is one of a regular expression's class, in ASCII."""
    pattern = re.compile(f"[{characters}]", re.ASCII)
    return lambda character: pattern.fullmatch(character) is not None


def _always(_: str) -> bool:
    return True


def _capitals(value: str) -> str:
    return "; its letters are small ones" if value != fold(value) else ""


def _system_container(value: str) -> str:
    return "; $root, $web and $logs cannot be asked for" if value in _SYSTEM_CONTAINERS else _capitals(value)


def _is_a_segment(value: str) -> bool:
    """Returns whether the value is a name in every path.

    Azure takes no period at the end, and a path may lose it. ``providers`` is what tells the parts of a resource id apart.
    """
    return not value.endswith(".") and fold(value) != "providers"


# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftresources. Azure takes
# the categories of Unicode that .NET's Char.IsLetterOrDigit takes. That looks at 16 bits at a time: nothing beyond U+FFFF.
RESOURCE_GROUP = ParameterKind(
    "resource_group",
    "the name of a resource group: 1 to 90 letters, digits and _-.(), without a period at its end, not providers",
    *(_of_a_group, _is_a_segment, 90),
    folds=True,
    after="resourcegroups",
)
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage
STORAGE_ACCOUNT = ParameterKind(
    "storage_account",
    "the name of a storage account: 3 to 24 characters of a-z and 0-9",
    *(_of("a-z0-9"), lambda value: len(value) >= 3, 24),  # noqa: PLR2004 - Azure's figure
    folds=False,
    after="storageaccounts",
    in_conditions=True,
    hint=_capitals,
)
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault
KEY_VAULT = ParameterKind(
    "key_vault",
    "the name of a key vault: 3 to 24 letters A-Z, digits and single hyphens, a letter first, no hyphen last",
    *(_of("A-Za-z0-9-"), lambda value: len(value) >= 3 and _VAULT.fullmatch(value) is not None, 24),  # noqa: PLR2004
    folds=True,
    after="vaults",
)
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata#container-names
CONTAINER = ParameterKind(
    "container",
    "the name of a container: 3 to 63 characters of a-z, 0-9 and single hyphens, none first or last",
    *(_of("a-z0-9-"), lambda value: len(value) >= 3 and _CONTAINER.fullmatch(value) is not None, 63),  # noqa: PLR2004
    folds=False,
    after="containers",
    in_conditions=True,
    hint=_system_container,
)
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules: what hardly any provider takes, and
# the separators that a name would bring into a path or a text. 260 is as long as names of nearly all providers may be.
RESOURCE_NAME = ParameterKind(
    "resource_name",
    "the name of a resource: 1 to 260 characters, none of <>%&\\?/#{}*;'\":|, no blank at an end, no period last",
    *(_of_a_resource, _is_a_resource_name, 260),
    folds=True,
)
# https://learn.microsoft.com/azure/azure-portal/get-subscription-tenant-id
SUBSCRIPTION = ParameterKind(
    "subscription",
    "the id of a subscription: a GUID, such as 11111111-2222-3333-4444-555555555555",
    *(_of("A-Fa-f0-9-"), lambda value: _GUID.fullmatch(value) is not None, 36),
    folds=True,
    after="subscriptions",
    in_conditions=True,
    only_listed=True,
)
# Narrower than https://dev.mysql.com/doc/refman/8.0/en/identifiers.html and
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS (63 bytes).
DATABASE = ParameterKind(
    "database",
    "the name of a database: 1 to 63 characters of A-Z, a-z, 0-9, _ and -",
    *(_of("A-Za-z0-9_-"), _always, 63),
    folds=False,
)
# The broker's own rule: a literal of a condition that needs no escape.
# https://learn.microsoft.com/azure/role-based-access-control/conditions-format
WORD = ParameterKind(
    "word",
    "a word: 1 to 64 characters of A-Z, a-z, 0-9 and ._-",
    *(_of("A-Za-z0-9._-"), _always, 64),
    folds=False,
    in_conditions=True,
)

_ALL = (RESOURCE_GROUP, STORAGE_ACCOUNT, KEY_VAULT, CONTAINER, RESOURCE_NAME, SUBSCRIPTION, DATABASE, WORD)
KINDS: Mapping[str, ParameterKind] = MappingProxyType({each.name: each for each in _ALL})
"""By their names in documents, in the order in which they are named to people."""
