"""The one expression that a restore prints otherwise, and what must not be taken for it."""

import pytest

from pgcutover.planning.spelling import spelled_alike

PRINTED = [
    (
        "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
        "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))",
    ),
    (
        "x = ANY ((ARRAY['it''s ]) ::'::bpchar, E'back\\\\slash'::bpchar, NULL::bpchar])::text[])",
        "x = ANY (ARRAY[('it''s ]) ::'::bpchar)::text, (E'back\\\\slash'::bpchar)::text, (NULL::bpchar)::text])",
    ),
    (
        """(ARRAY['a'::public."my mood"])::pg_catalog.text[]""",
        """ARRAY[('a'::public."my mood")::pg_catalog.text]""",
    ),
]


@pytest.mark.parametrize(("before", "after"), PRINTED)
def test_both_prints_are_one(before: str, after: str) -> None:
    """A cast of the array is a cast of its elements; the latter stays as it is."""
    assert after == spelled_alike(before)
    assert after == spelled_alike(after)


@pytest.mark.parametrize(
    "text",
    [
        "'(ARRAY[''a''::character varying])::text[]'::text",
        "E'\\\\''(ARRAY[''a''::character varying])::text[]'",
        '''"(ARRAY['a'::character varying])::text[]"''',
        "(ARRAY[a, b])::text[]",
        "(ARRAY['a'::character varying, lower('B'::text)])::text[]",
        "(ARRAY['a'::character varying])::text",
        "(ARRAY['a'::character varying])::character varying(3)[]",
        "(ARRAY['a'::character varying])::text[][]",
        "(ARRAY['a'::character varying] || x)::text[]",
        "(ARRAY['a'::character varying, ])::text[]",
        "(ARRAY['a'::character varying",
        "(ARRAY[",
    ],
)
def test_in_doubt_a_text_stays_as_it_is(text: str) -> None:
    """Strings, quoted names, other elements, other casts and broken texts are not touched."""
    assert text == spelled_alike(text)


def test_other_values_stay_other_values() -> None:
    """Two texts that mean different things are never made equal."""
    one = "(ARRAY['a'::character varying, 'b'::character varying])::text[]"
    others = [one.replace("'b'", "'c'"), one.replace("'b'", "'B'"), one.replace("::text[]", "::bytea[]")]
    assert not {spelled_alike(one)} & {spelled_alike(other) for other in others}
