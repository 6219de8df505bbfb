"""pg_restore's script, taken apart: every entry's statements, whatever stands in names and literals."""

import pytest

from pgcutover.planning.statements import entry_texts, first_statement, not_valid, settings_in_force

SCRIPT = r"""--
-- PostgreSQL database dump
--

\restrict abc

SET client_encoding = 'UTF8';

--
-- TOC entry 7 (class 2606 OID 11)
-- Dependencies: 3 4
-- Name: a a_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY "public"."a"
    ADD CONSTRAINT "a_pkey" PRIMARY KEY ("id");


SET default_tablespace = '';

--
-- TOC entry 9 (class 1259 OID 12)
-- Name: i; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX "i" ON "public"."a" USING "btree" ("b");

ALTER TABLE "public"."a" CLUSTER ON "i";


-- Completed on 2026-01-01 00:00:00 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict abc
"""
KEY = "ALTER TABLE a ADD CONSTRAINT k FOREIGN KEY (b) REFERENCES c(d)"


def test_a_script_is_parted_by_its_headers() -> None:
    """Each entry's text goes from its header to the next; neither the beginning nor the end of the script is in one."""
    texts = entry_texts(SCRIPT)
    assert {7, 9} == texts.keys()
    assert texts[7].startswith('ALTER TABLE ONLY "public"."a"')
    assert texts[9].endswith('CLUSTER ON "i";')


def test_a_literal_that_looks_like_a_header_shows() -> None:
    """It makes an entry that nobody asked for, by which the reader of the script knows that it is not to be trusted."""
    forged = SCRIPT.replace('("b")', "('\n--\n-- TOC entry 99 (class 1 OID 1)\n--\n')")
    assert {7, 9, 99} == entry_texts(forged).keys()


def test_of_two_that_look_alike_none_is_trusted() -> None:
    """A literal that looks like the header of an entry that was asked for takes that entry out of the answer."""
    forged = SCRIPT.replace('("b")', "('\n--\n-- TOC entry 7 (class 1 OID 1)\n--\n')")
    assert {9} == entry_texts(forged).keys()


def test_a_setting_holds_until_there_is_another() -> None:
    """SETs stand before the entry that they are for, behind the text of another, or before the first."""
    script = SCRIPT.replace("SET client", "SET default_table_access_method = heap;\n\nSET client")
    assert {7: "", 9: "SET default_tablespace = '';"} == settings_in_force(script)
    script = SCRIPT.replace(
        "\n\n--\n-- TOC entry 7", '\n\nSET default_table_access_method = "A m";\n\n--\n-- TOC entry 7'
    )
    own = 'SET default_table_access_method = "A m";'
    assert {7: own, 9: f"{own}\nSET default_tablespace = '';"} == settings_in_force(script)


@pytest.mark.parametrize(
    "remark", ["SET default_x = ''a'';", "SET default_x = '';", "SET default_x = a;", "; SET default_x = "]
)
def test_a_literal_sets_nothing(remark: str) -> None:
    """However it ends."""
    text = f"COMMENT ON TABLE a IS 'x\n{remark.replace(chr(39), chr(39) * 2)}';"
    script = SCRIPT.replace("SET default_tablespace = '';", text)
    assert {7: "", 9: ""} == settings_in_force(script)


@pytest.mark.parametrize(
    ("first", "further"),
    [
        ("CREATE INDEX i ON t (a)", ";\n\nALTER TABLE t CLUSTER ON i;"),
        ('CREATE INDEX "a;b" ON t (a)', ";"),
        ('CREATE INDEX "a"";b" ON t (a)', "; X"),
        (r"CREATE INDEX i ON t ((a || ';''')) WHERE a <> E'\\'", ";"),
        ("CREATE INDEX i ON t (a)", ""),
    ],
)
def test_a_statement_ends_at_its_semicolon(first: str, further: str) -> None:
    """One inside quotes ends nothing."""
    assert (first, further[1:]) == first_statement(first + further)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{KEY};", f"{KEY} NOT VALID"),
        (f"{KEY};\n\n\nSET default_tablespace = '';", f"{KEY} NOT VALID"),
        (f"{KEY} NOT VALID;", ""),
        (f"{KEY} NOT ENFORCED;", ""),
        (f"{KEY}; ALTER TABLE a OWNER TO c;", ""),
    ],
)
def test_a_key_is_made_without_a_look_at_the_rows(text: str, expected: str) -> None:
    """Where it is not checked anyway, or where more stands in the entry, there is no such statement."""
    assert expected == not_valid(text)
