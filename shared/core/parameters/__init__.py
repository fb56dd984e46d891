"""One role, many targets: a role has holes that a caller fills, and a caller may ask for less than a role gives. Pure.

A role's field ``parameters`` names its holes. Where a scope has ``{name}`` as a segment, or a condition has ``'{name}'`` as a
literal, the value of that parameter takes its place. A role without the field has no holes: its braces are plain text.

The invariant, which tests hold for all inputs:

* A filled scope has the segments of its template: the same count, and each constant one untouched.
* To remove a value from ``allowed``, or to put ``allowed`` in place of ``any``, never lets more through.
* ``within`` never makes an assignment above or beside the role's scopes.

The way of a request::

    read_parameters(reader) -> tuple[Parameter, ...]            parameter.py: the field of a role's document
    template_faults(parameters, azure_roles) -> faults          template.py: where holes may be
    read_values(parameters, azure_roles, given, facts) -> values   asked.py: what the caller gives, and what is known of it
    fill(azure_roles, values) -> tuple[AzureRole, ...]          filling.py: the assignments of this lease
    narrow(azure_roles, within) -> tuple[AzureRole, ...]        narrowing.py: the same assignments, further down

Values are data. They are compared and put in their places, and are never expanded, decoded, normalised or trimmed.
"""
