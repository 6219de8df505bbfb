"""Check JSON against Heroku's own schema, unknown keys included (`strictProperties` is not standard JSON Schema)."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parent / "heroku-platform-schema.json").read_text())


def problems(resource: str, value: Any) -> list[str]:
    """What is wrong with one instance of a resource (`app`, `add-on`…); empty when it is as Heroku says."""
    schema = {"$ref": f"#/definitions/{resource}", "definitions": DOCUMENT["definitions"]}
    validator = Draft4Validator(schema, format_checker=FormatChecker())
    wrong = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]
    return wrong + _surplus({"$ref": schema["$ref"]}, value, resource)


def missing(resource: str, value: dict[str, Any]) -> set[str]:
    """Top-level keys that Heroku gives and this instance lacks."""
    return set(DOCUMENT["definitions"][resource]["properties"]) - set(value)


def _surplus(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    schema = _resolved(schema)
    if isinstance(value, list):
        return [word for item in value for word in _surplus(schema.get("items", {}), item, f"{path}[]")]
    known = schema.get("properties")
    if not isinstance(value, dict) or known is None:
        return []
    unknown = [f"{path}.{key}: not in the schema" for key in value if key not in known]
    inner = [word for key in value if key in known for word in _surplus(known[key], value[key], f"{path}.{key}")]
    return unknown + inner


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema
