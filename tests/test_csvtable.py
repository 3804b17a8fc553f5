"""Tables as people save them, and whatever else may stand in a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import csvtable
from edge_agent.config.fields import Place

COLUMNS = ["name", "address", "scale", "scan", "unit"]


def read(data: bytes, folder: Path) -> tuple[list[tuple[str, dict[str, object]]], list[str]]:
    """The rows with their places, and the errors without the file's name."""
    file = folder / "tags.csv"
    file.write_bytes(data)
    place = Place(file)
    rows = [(where.key, row) for where, row in csvtable.rows(place, COLUMNS, ["scale"], ["scan"])]
    return rows, [error.removeprefix(f"{file}: ") for error in place.errors]


@pytest.mark.parametrize(
    "text",
    [
        "name,address,scale,unit\na,1,0.5,m\n",
        "name;address;scale;unit\r\na;1;0,5;m\r\n",
        "name;address;scale;unit\r\na;1;0.5;m\r\n",
        "name\taddress\tscale\tunit\ra\t1\t0.5\tm",
        '"name","address","scale","unit"\n"a","1","0.5","m"\n',
    ],
)
def test_one_row_is_the_same_however_it_was_saved(text: str, tmp_path: Path) -> None:
    row = {"name": "a", "address": "1", "scale": 0.5, "unit": "m"}
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode()):
        assert read(data, tmp_path) == ([("line 2", row)], [])


def test_empty_fields_lines_and_columns_say_nothing_and_lines_keep_their_number(tmp_path: Path) -> None:
    text = "sep=;\n# oven\nname;address;;\n\n;;;\na;1;;\n# b;2;;\nc;;;\n"
    assert read(text.encode(), tmp_path)[0] == [
        ("line 6", {"name": "a", "address": "1"}),
        ("line 8", {"name": "c"}),
    ]


def test_a_decimal_comma_is_a_point_in_numbers_and_durations_alone(tmp_path: Path) -> None:
    for separator in ";\t":
        text = "name;scale;scan;unit\na,b;-,5;1,5s;x,1\nc;1,5e3;0,5 min;\nd;2;1s;\n".replace(";", separator)
        assert read(text.encode(), tmp_path) == (
            [
                ("line 2", {"name": "a,b", "scale": -0.5, "scan": "1.5s", "unit": "x,1"}),
                ("line 3", {"name": "c", "scale": 1500.0, "scan": "0.5 min"}),
                ("line 4", {"name": "d", "scale": 2.0, "scan": "1s"}),
            ],
            [],
        )


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize(
    ("row", "column", "says"),
    [
        (
            "b;1.234;",
            "scale",
            "'1.234' has a point, and line 3 has a decimal comma: write 1,234, or 1234 if the point",
        ),
        ("b;0.5;", "scale", "'0.5' has a point, and line 3 has a decimal comma: write 0,5"),
        (
            "b;1.234.567;",
            "scale",
            "'1.234.567' has a point, and line 3 has a decimal comma: write 1234567 if the",
        ),
        ("b;1.234,5;", "scale", "'1.234,5' has a comma and a point; write it without what parts thousands"),
        (
            "b;;1.500ms",
            "scan",
            "'1.500ms' has a point, and line 3 has a decimal comma: write 1,500ms, or 1500ms if",
        ),
    ],
)
def test_a_point_beside_decimal_commas_may_part_thousands_and_is_told(
    row: str, column: str, says: str, separator: str, tmp_path: Path
) -> None:
    text = f"name;scale;scan\n{row}\na;0,1;\n".replace(";", separator)
    rows, errors = read(text.encode(), tmp_path)
    assert rows == [("line 2", {"name": "b"}), ("line 3", {"name": "a", "scale": 0.1})]
    assert len(errors) == 1
    assert errors[0].startswith(f"line 2.{column}: {says}")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"name,unit,name\na,m,b\n", "column 'name': is there twice"),
        (b"name,address\n", "holds no tag"),
        (b"# nothing yet\n\nname,address\n\n,\n", "holds no tag"),
        (b"", "holds no tag"),
        (b"name,address\na\n", "line 2: has not the 2 fields that the header names"),
        (b"name,address\na,1,2\n", "line 2: has not the 2 fields that the header names"),
        (b"name,adress\na,1\n", "column 'adress': unknown; did you mean 'address'?"),
        (
            "name,unit\na,m\nb,°C\n".encode("latin-1"),
            "line 3: byte 0xb0 is not UTF-8 (in Latin-1 it would be '°')",
        ),
        ("name,unit\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_a_mistake_is_told_with_its_place(data: bytes, says: str, tmp_path: Path) -> None:
    rows, errors = read(data, tmp_path)
    assert rows == []
    assert len(errors) == 1
    assert errors[0].startswith(says)


@given(st.one_of(st.binary(max_size=200), st.text(st.sampled_from('name,;\t\n\r"#address=1 '), max_size=80)))
def test_whatever_a_file_holds_is_rows_or_errors(
    tmp_path_factory: pytest.TempPathFactory, data: bytes | str
) -> None:
    content = data if isinstance(data, bytes) else data.encode()
    rows, _ = read(content, tmp_path_factory.getbasetemp())
    assert all(set(row) <= set(COLUMNS) and "" not in row.values() for _, row in rows)
