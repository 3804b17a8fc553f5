from pathlib import Path

import numpy as np
import pytest

from converter import ConverterError
from converter.table import read


def csv(folder: Path, text: str) -> Path:
    path = folder / "history.csv"
    path.write_text(text)
    return path


def test_wanted_columns_come_in_the_wanted_order_and_others_may_hold_text(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "time,b,a\nmonday,1,2\ntuesday,3,4e-1\n"), ["a", "b"], "", [], False)
    assert table.values.tolist() == [[2, 1], [0.4, 3]]
    assert table.run.tolist() == [0, 0]


def test_semicolons_go_with_decimal_commas(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "\ufeffa;b\n1,5;-2\n0.25;3\n"), ["a", "b"], "", [], False)
    assert table.values.tolist() == [[1.5, -2], [0.25, 3]]


def test_a_group_column_ends_a_run_where_it_changes(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "shift,a\nx,1\nx,2\ny,3\nx,4\n"), ["a"], "shift", [], False)
    assert len(set(table.run.tolist())) == 3
    assert table.run[0] == table.run[1]


def test_a_missing_column_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match=r"no column vibratoin \(did you mean 'vibration'\?\)"):
        read(csv(tmp_path, "time,vibration\n0,1\n"), ["vibratoin"], "", [], False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n3,x\n", "line 3, column 'b': 'x' is not a number"),
        ("a,b\n1,2\n3\n", "line 3: 1 cells, the header has 2"),
        ("a,b,a\n1,2,3\n", "two columns are named 'a'"),
        ("a,b\n", "no rows"),
        ("", "no column a .*, b "),
        ("a,b\n1,2\n,3\n4,inf\nnan,5\n", r"3 of 4 rows hold .* \(first in data row 2, column 'a'\)"),
        ("a,b\n,3\n", "1 of 1 rows"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConverterError, match=told):
        read(csv(tmp_path, text), ["a", "b"], "", [], False)


def test_rows_that_are_not_finite_can_be_left_out_and_leave_a_hole(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a\n1\n2\nnan\n3\n"), ["a"], "", [], True)
    assert table.values[:, 0].tolist() == [1, 2, 3]
    assert table.dropped == 1
    assert table.run[0] == table.run[1] != table.run[2]


def test_an_npy_table_takes_its_names_from_the_card(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, np.array([[1.0, 2.0, 7.0], [3.0, 4.0, 7.0], [5.0, 6.0, 8.0]]))
    table = read(path, ["b"], "g", ["a", "b", "g"], False)
    assert table.values.tolist() == [[2], [4], [6]]
    assert table.run.tolist() == [0, 0, 1]
    with pytest.raises(ConverterError, match="3 columns, the card's `columns` names 2"):
        read(path, ["a"], "", ["a", "b"], False)


def test_an_npy_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, np.zeros(3))
    with pytest.raises(ConverterError, match="not a two-dimensional table"):
        read(path, ["a"], "", ["a"], False)
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ConverterError, match="Python objects"):
        read(path, ["a"], "", ["a"], False)
