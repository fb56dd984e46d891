"""What a sample keeps of Azure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tests.fakes.cloud_state import CloudState


def left_in(cloud: CloudState) -> dict[str, Any]:
    """What ``kept_store`` puts there again."""
    return {
        "applications": [
            {
                "object_id": each.object_id,
                "app_id": each.app_id,
                "unique_name": each.unique_name,
                "secrets": [
                    {"key_id": key_id, "display_name": it.display_name, "end": it.end.isoformat(), "text": it.text}
                    for key_id, it in each.secrets.items()
                ],
                "trusted": [{"id": key, **asdict(trust)} for key, trust in each.trusted.values()],
            }
            for each in cloud.applications.values()
        ],
        "principals": [
            {"object_id": each.object_id, "app_id": each.app_id, "unique_name": each.unique_name}
            for each in cloud.principals.values()
            if each.unique_name
        ],
        "members": [{"group": group, "principals": sorted(them)} for group, them in cloud.groups.items() if them],
        "assignments": [
            {
                "scope": each.scope,
                "name": each.name,
                "definition_id": granted.definition_id,
                "principal": granted.principal,
                "condition": granted.condition,
                "description": granted.description,
            }
            for each, granted in cloud.assignments.items()
        ],
    }
