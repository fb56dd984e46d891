"""Fixtures for every folder of tests."""

from __future__ import annotations

from tests.storage import azurite, storage_connection

__all__ = ["azurite", "storage_connection"]
