"""Who may have what: pure decisions, without any call.

Whether an auth role, or the inline bounds of a role, speak of a caller is one function::

    match(bounds: Bounds, caller: Caller, facts: Facts) -> Matched | NotMatched | Unknown

``Bounds`` come from a document (``bounds.read_bounds``, ``auth_role.read_auth_role``), the ``Caller`` from the claims of a
token (``claims.caller_of``), the ``Facts`` from the directory. ``Matched`` says that every kind of constraint matches.
``NotMatched`` has the kinds that do not. ``Unknown`` says that no kind fails, but that a fact could not be read: its ``why`` is
for operators.

``documents.outcome_of`` is the same over JSON alone, as tests of policies write it::

    outcome_of(auth_role: dict, claims: dict, directory: dict | None, *, home: ObjectId) -> Matched | NotMatched | Unknown

``decide.decide`` then says whether the caller has a capability on a path. ``python -m shared.core.access.check FILE`` runs the
tests of an exported configuration.
"""
