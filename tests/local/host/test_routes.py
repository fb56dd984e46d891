from __future__ import annotations

import pytest

from local.host.routes import RouteError, Router, compile_route


def router(*templates: str, methods: tuple[str, ...] = (), prefix: str = "") -> Router[str]:
    """A router whose routes lead to their own templates."""
    return Router(compile_route(prefix, template, methods, template) for template in templates)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("leases", "/leases", {}),
        ("leases", "/LEASES/", {}),
        ("leases/{id}", "/leases/a%20b", {"id": "a b"}),
        ("leases/{id}", "/leases/a%2Fb", {"id": "a%2Fb"}),
        ("leases/{id?}", "/leases", {}),
        ("leases/{id=all}", "/leases", {"id": "all"}),
        ("leases/{id:int}", "/leases/-7", {"id": "-7"}),
        ("leases/{id:int:range(1,5)}", "/leases/5", {"id": "5"}),
        ("leases/{id:guid}", "/leases/0f8fad5b-d9cb-469f-a165-70867728950e", {"id": "0f8fad5b-d9cb-469f-a165-70867728950e"}),
        ("leases/{id:alpha:length(2,3)}", "/leases/abc", {"id": "abc"}),
        ("files/{*rest}", "/files/a/b/c", {"rest": "a/b/c"}),
        ("files/{*rest}", "/files", {}),
        ("", "/", {}),
    ],
)
def test_matches(template: str, path: str, values: dict[str, str]) -> None:
    """A path that fits gives the template's values, decoded; an encoded slash stays encoded."""
    assert (template, values) == router(template).find("GET", path)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("leases", "/leases/1"),
        ("leases", "/"),
        ("leases/{id}", "/leases"),
        ("leases/{id}", "/leases//"),
        ("leases/{id:int}", "/leases/x"),
        ("leases/{id:int}", "/leases/2147483648"),
        ("leases/{id:range(1,5)}", "/leases/6"),
        ("leases/{id:guid}", "/leases/7"),
        ("leases/{id:maxlength(2)}", "/leases/abc"),
    ],
)
def test_does_not_match(template: str, path: str) -> None:
    """A path that differs, or breaks a constraint, leads nowhere."""
    assert router(template).find("GET", path) is None


def test_the_more_particular_route_wins_whatever_the_order() -> None:
    """A literal goes before a constrained parameter, that before a free one, that before the rest."""
    templates = ("a/{*rest}", "a/{x}", "a/{x:int}", "a/b")
    found = [(router(*templates).find("GET", f"/a/{last}") or ("",))[0] for last in ("b", "1", "z", "z/z")]
    assert ["a/b", "a/{x:int}", "a/{x}", "a/{*rest}"] == found


def test_another_method_is_not_found() -> None:
    """The real host has no 405: a path whose method differs is as unknown as any."""
    assert router("leases", methods=("POST",)).find("GET", "/leases") is None


def test_the_prefix_goes_before_every_route() -> None:
    """host.json's route prefix is part of each path."""
    routes = router("leases", prefix="api")
    assert (("leases", {}), None) == (routes.find("GET", "/api/leases"), routes.find("GET", "/leases"))


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("admin/leases", "belongs to the host"),
        ("runtime/x", "belongs to the host"),
        ("a-{b}", "neither a literal nor one parameter"),
        ("{a}.{b}", "neither a literal nor one parameter"),
        ("{*rest}/x", "last segment"),
        ("{a:regex(x)}", "not offered"),
        ("{a:range(1)}", "wrong arguments"),
    ],
)
def test_refuses_templates_that_it_cannot_serve(template: str, complaint: str) -> None:
    """A template that would be served wrongly is refused when the host starts."""
    with pytest.raises(RouteError, match=complaint):
        router(template)
