"""HTML from values. Invariant: only what `tag` made is markup; every other string is escaped, wherever it came from."""

from html import escape

Attribute = str | float | bool | None


class Markup(str):
    """Text that is markup already, because it was made here."""

    __slots__ = ()


VOID = frozenset({"meta", "rect", "line", "circle", "br"})


def tag(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """One element. `class_` and `stroke_width` become class and stroke-width; None and False leave an attribute out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>" if name in ("meta", "br") else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Markup:
    """Children side by side; plain strings escaped."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escape(text)}"'
