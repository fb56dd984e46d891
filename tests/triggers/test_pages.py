"""The pages for people: the contract and the problems, as HTML."""

from __future__ import annotations

from shared.triggers.http import page


def content(html: str) -> str:
    """What stands below the title."""
    return html.partition("</h1>")[2].removesuffix("</body></html>")


def test_a_page_is_a_whole_document_with_its_title() -> None:
    """Whatever the title holds."""
    html = page.page("a < b", "x")
    assert html.startswith('<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Leasehold: a &lt; b</title>')
    assert html.endswith("<body><h1>a &lt; b</h1>x</body></html>")


def test_markdown_becomes_headings_with_anchors_and_paragraphs() -> None:
    """The text's own title is left out: the page has one."""
    html = page.markdown("Problems", "# Problems\n\n## `not_found`\n\nThere is no `x` & no y.\n\n\n\n## gone\n\nIt was.")
    assert content(html) == (
        '<h2 id="not_found"><code>not_found</code></h2><p>There is no <code>x</code> &amp; no y.</p>'
        '<h2 id="gone"><code>gone</code></h2><p>It was.</p>'
    )


def test_the_contract_lists_calls_and_schemas() -> None:
    """An answer or a parameter that stands elsewhere is named, not repeated."""
    call = {
        "operationId": "readThing",
        "summary": "Reads.",
        "description": "One `thing`.",
        "parameters": [{"name": "id", "description": "Which."}, {"$ref": "#/components/parameters/limit"}],
        "responses": {"200": {"description": "It."}, "204": {}, "400": {"$ref": "#/components/responses/problem"}},
    }
    thing = {"description": "A thing.", "properties": {"id": {"description": "Its name."}, "size": {}}}
    document = {
        "info": {"title": "API", "description": "All `calls`."},
        "paths": {"/things/{id}": {"get": call}, "/bare": {"post": {"operationId": "b", "summary": "B.", "responses": {}}}},
        "components": {"schemas": {"Thing": thing, "Empty": {}}},
    }
    assert content(page.contract(document)) == (
        "<p>All <code>calls</code>.</p>"
        '<p><a href="openapi.json">openapi.json</a> · <a href="problems">problems</a></p>'
        '<h2 id="readThing"><code>GET /things/{id}</code></h2><p><b>Reads.</b> One <code>thing</code>.</p><table>'
        "<tr><td><code>id</code></td><td>Which.</td></tr><tr><td><code>limit</code></td><td></td></tr>"
        "<tr><td>200</td><td>It.</td></tr><tr><td>204</td><td></td></tr></table>"
        '<h2 id="b"><code>POST /bare</code></h2><p><b>B.</b> </p><table></table>'
        '<h2 id="Thing">Thing</h2><p>A thing.</p><table><tr><td><code>id</code></td><td>Its name.</td></tr>'
        "<tr><td><code>size</code></td><td></td></tr></table>"
        '<h2 id="Empty">Empty</h2><p></p><table></table>'
    )
