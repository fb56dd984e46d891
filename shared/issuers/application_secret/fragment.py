"""What roles of this kind look like, for the contract."""

from __future__ import annotations

from shared.kinds.fragment import CLIENT_SECRET, DELIVERY, Fragment

FRAGMENT = Fragment(
    type="application_secret",
    name="ApplicationSecretRole",
    description="A new secret on an existing application for every lease.",
    properties={
        "delivery": DELIVERY,
        "application_object_id": {
            "type": "string",
            "format": "uuid",
            "description": "The application that gets a new secret for every lease. Not the broker's own, and none that a lease"
            " has made.",
        },
    },
    required=("application_object_id",),
    credential=CLIENT_SECRET,
    found=("application_secret",),
)
