"""Makes two small HTML pages without scripts: of the contract, and of Markdown as plain as docs/problems.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font:14px/1.4 ui-monospace,monospace;background:#f3f3f3;padding:.1em .3em;overflow-x:auto}"
    "h2{margin-top:2rem;border-top:1px solid #ddd;padding-top:1rem}table{border-collapse:collapse}"
    "td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}:target{background:#fff6d6}"
)
_CODE = re.compile(r"`([^`]+)`")


def page(title: str, content: str) -> str:
    """Returns a whole document."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Leasehold: {escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{content}</body></html>"
    )


def markdown(title: str, text: str) -> str:
    """Returns a page of Markdown: headings of the second rank, which are their own anchors, and paragraphs with code."""
    content = ""
    for block in map(str.strip, text.split("\n\n")):
        if block.startswith("## "):
            heading = escape(block.removeprefix("## ").strip("` "))
            content += f'<h2 id="{heading}"><code>{heading}</code></h2>'
        elif block and not block.startswith("# "):
            content += f"<p>{_inline(block)}</p>"
    return page(title, content)


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def contract(document: Mapping[str, Any]) -> str:
    """Returns a page of an OpenAPI document: all calls, then all schemas."""
    info = document["info"]
    calls = "".join(
        _call(method, path, call) for path, methods in document["paths"].items() for method, call in methods.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    links = '<p><a href="openapi.json">openapi.json</a> · <a href="problems">problems</a></p>'
    return page(info["title"], f"<p>{_inline(info['description'])}</p>{links}{calls}{schemas}")


def _call(method: str, path: str, call: Mapping[str, Any]) -> str:
    answers = "".join(
        f"<tr><td>{status}</td><td>{_inline(answer.get('description', ''))}</td></tr>"
        for status, answer in call["responses"].items()
        if "$ref" not in answer
    )
    parameters = "".join(_parameter(each) for each in call.get("parameters", ()))
    table = f"<table>{parameters}{answers}</table>"
    heading = f'<h2 id="{call["operationId"]}"><code>{method.upper()} {escape(path)}</code></h2>'
    return f"{heading}<p><b>{escape(call['summary'])}</b> {_inline(call.get('description', ''))}</p>{table}"


def _parameter(parameter: Mapping[str, Any]) -> str:
    name = parameter.get("name") or parameter["$ref"].rpartition("/")[2]
    return f"<tr><td><code>{escape(name)}</code></td><td>{_inline(parameter.get('description', ''))}</td></tr>"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_inline(each.get('description', ''))}</td></tr>"
        for field, each in schema.get("properties", {}).items()
    )
    return f'<h2 id="{name}">{escape(name)}</h2><p>{_inline(schema.get("description", ""))}</p><table>{rows}</table>'
