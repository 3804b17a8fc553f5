"""Judging bundles: the metrics, and that the gateway computes what was measured."""

import itertools
import math
from pathlib import Path

import dense_model
import msgspec
import numpy as np
import pytest
from sources import python

from converter import ConverterError, convert, evaluate, folds, metrics
from converter.decisions import Course
from converter.evaluation import require_agreement
from converter.process import TensorFlow


def labelled(folder: Path, rows: np.ndarray, target: np.ndarray, name: str = "labelled.csv") -> Path:
    names = [i.name for i in dense_model.MANIFEST.inputs]
    path = folder / name
    header = ",".join([*names, dense_model.OUTPUT.name])
    np.savetxt(path, np.column_stack([rows, target]), "%.9g", delimiter=",", header=header, comments="")
    return path


def walk(count: int) -> np.ndarray:
    manifest = dense_model.MANIFEST
    middle, spread = [i.mean for i in manifest.inputs], [i.std for i in manifest.inputs]
    return np.random.default_rng(4).normal(middle, spread, size=(count, len(manifest.inputs)))


def test_regression_metrics_are_those_of_the_textbook() -> None:
    found = metrics.regression(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 6]))
    assert found == {"mse": 1.0, "rmse": 1.0, "mae": 0.5, "r2": pytest.approx(1 - 4 / 5)}
    assert math.isnan(metrics.regression(np.ones(3), np.ones(3))["r2"])


def test_classification_metrics_are_those_of_the_textbook() -> None:
    target = np.array([1.0, 1, 1, 0, 0, 0, 0, 0])
    score = np.array([0.9, 0.8, 0.1, 0.8, 0.2, 0.1, 0.0, 0.0])
    found = metrics.classification(target, score, 0.8)
    # 15 pairs of a positive and a negative: 11 in order, 2 ties (0.8 and 0.8, 0.1 and 0.1).
    assert found == {
        "accuracy": 6 / 8,
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
        "roc_auc": pytest.approx((11 + 2 / 2) / 15),
        "pr_auc": pytest.approx((1 + 2 / 3 + 3 / 6) / 3),
        "tn": 4,
        "fp": 1,
        "fn": 1,
        "tp": 2,
    }
    assert math.isnan(metrics.classification(target, score * 0, 0.8)["precision"])


def test_metrics_agree_with_scikit_learn_where_scores_are_tied() -> None:
    """The constants are what scikit-learn 1.9.1 gives for these 200 scores of 46 distinct values."""
    rng = np.random.default_rng(8)
    target = (rng.random(200) < 0.3).astype(float)
    score = (0.5 * target + rng.normal(size=200)).round(1)
    assert metrics.classification(target, score, 0.6) == pytest.approx(
        {
            "accuracy": 0.665,
            "precision": 0.4603174603174603,
            "recall": 0.46774193548387094,
            "f1": 0.464,
            "roc_auc": 0.6535764375876578,
            "pr_auc": 0.4877127123380544,
            "tn": 104,
            "fp": 34,
            "fn": 33,
            "tp": 29,
        },
        rel=1e-13,
    )
    target = rng.normal(size=200)
    assert metrics.regression(target, target + 0.3 * rng.normal(size=200)) == pytest.approx(
        {
            "mse": 0.10614448411687626,
            "rmse": 0.32579822608000225,
            "mae": 0.25628199063114854,
            "r2": 0.8828437396850511,
        },
        rel=1e-13,
    )


def test_constant_scores_know_nothing_and_one_label_alone_has_no_curve() -> None:
    target = np.array([1.0, 0, 0, 0])
    found = metrics.classification(target, np.full(4, 0.3), 0.5)
    assert (found["roc_auc"], found["pr_auc"]) == (0.5, 0.25)
    alone = metrics.classification(np.zeros(4), np.arange(4.0), 2.0)
    assert math.isnan(alone["roc_auc"])
    assert math.isnan(alone["recall"])
    assert (alone["tn"], alone["fp"]) == (2, 2)


def test_a_score_that_is_not_a_number_is_no_alarm_and_leaves_no_area() -> None:
    found = metrics.classification(np.array([1.0, 0, 1]), np.array([np.nan, 0.1, 0.9]), 0.5)
    assert (found["tp"], found["fn"], found["tn"]) == (1, 1, 1)
    assert math.isnan(found["roc_auc"])


def test_no_training_window_shares_a_row_with_its_fold() -> None:
    ends = np.concatenate([np.arange(9, 300), np.arange(409, 700)])
    trains, tests = folds.split(ends, 10, 4)
    assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(len(ends)))
    for train, test in zip(trains, tests, strict=True):
        rows = {row for end in ends[test] for row in range(end - 9, end + 1)}
        assert not any(row in rows for end in ends[train] for row in range(end - 9, end + 1))
        assert len(train) > 0.6 * len(ends)


def test_folds_of_single_rows_are_mixed_and_complete() -> None:
    trains, tests = folds.split(np.arange(100), 1, 5)
    assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(100))
    assert not np.array_equal(tests[0], np.arange(20))
    assert all(
        len(np.union1d(a, b)) == 100 and not len(np.intersect1d(a, b))
        for a, b in zip(trains, tests, strict=True)
    )
    with pytest.raises(ConverterError, match="2 to 3 are possible"):
        folds.split(np.arange(3), 1, 4)


@pytest.mark.parametrize("window", [1, 10])
def test_folds_in_time_train_on_the_past_alone_and_share_no_row_with_it(window: int) -> None:
    ends = np.concatenate([np.arange(window - 1, 300), np.arange(399 + window, 700)])
    trains, tests = folds.split_forward(ends, window, 4)
    assert np.array_equal(np.concatenate(tests), np.arange(len(ends))[-sum(map(len, tests)) :])
    for train, test in zip(trains, tests, strict=True):
        assert ends[train].max() < ends[test].min() - window + 1
        assert len(train) >= test[0] - window
    assert all(len(a) < len(b) for a, b in itertools.pairwise(trains))


def test_folds_in_time_that_leave_no_past_are_refused() -> None:
    with pytest.raises(ConverterError, match="1 to 2 are possible"):
        folds.split_forward(np.arange(3), 1, 3)
    with pytest.raises(ConverterError, match="nothing to train on"):
        folds.split_forward(np.arange(9, 20), 10, 3)


def test_the_gateway_tick_by_tick_equals_the_batch_bit_for_bit(dense_bundle: Path, tmp_path: Path) -> None:
    rows = walk(300)
    found = evaluate(dense_bundle, labelled(tmp_path, rows, rows[:, 0] > rows[:, 0].mean()))
    (judged,) = found.outputs
    assert judged.paths["gateway"] == judged.paths["quantised"]
    assert found.windows == 300 - dense_model.MANIFEST.window + 1


async def test_evaluating_works_where_a_loop_is_running_as_in_a_notebook(
    dense_bundle: Path, tmp_path: Path
) -> None:
    rows = walk(20)
    assert evaluate(dense_bundle, labelled(tmp_path, rows, rows[:, 0] > 0)).windows == 17


def test_a_difference_between_gateway_and_measurement_is_an_error() -> None:
    def said(*scores: float) -> dict[str, Course]:
        return {"y": Course(np.array(scores), np.array(scores), np.zeros(len(scores), bool))}

    require_agreement(said(0.1, np.nan), said(0.1, np.nan))
    with pytest.raises(ConverterError, match="differ in 1 of 3 scores of 'y'"):
        require_agreement(said(0.1, 0.2, 0.3), said(0.1, np.nextafter(0.2, 1), 0.3))
    with pytest.raises(ConverterError, match="differ in 2 of 2"):
        require_agreement(said(0.1, 0.2), said(0.1))


def test_a_perfect_label_scores_one_and_the_opposite_zero(dense_bundle: Path, tmp_path: Path) -> None:
    rows = walk(100)
    windows = np.lib.stride_tricks.sliding_window_view(rows, 4, axis=0).transpose(0, 2, 1)
    scores = dense_model.expected(dense_model.standardised(windows.astype(np.float32)))[:, 0]
    assert dense_model.OUTPUT.limits
    label = np.concatenate([np.zeros(3), scores >= dense_model.OUTPUT.limits.on])
    assert 0 < label.sum() < 97
    right = evaluate(dense_bundle, labelled(tmp_path, rows, label)).outputs[0].paths["gateway"]
    wrong = evaluate(dense_bundle, labelled(tmp_path, rows, 1 - label)).outputs[0].paths["gateway"]
    assert right["f1"] == right["accuracy"] == 1
    assert wrong["f1"] == wrong["accuracy"] == 0


def test_keras_quantised_and_gateway_stand_side_by_side_with_folds(line: Path, line_bundles: dict) -> None:
    train = Path(__file__).with_name("train_quickly.py").as_posix() + ":build"
    model, data = line / "line_efficiency.keras", line / "line.csv"
    asked = ["--data", data, "--model", model, "--kfold", "3", "--train", train, "--json"]
    (told,) = msgspec.json.decode(python("-m", "converter.cli", "evaluate", line_bundles["int8"][0], *asked))[
        "outputs"
    ]
    assert list(told["paths"]) == ["keras", "quantised", "gateway"]
    assert told["paths"]["quantised"] == told["paths"]["gateway"]
    assert 0.8 < told["paths"]["gateway"]["r2"] < told["paths"]["keras"]["r2"] < 1
    assert len(told["folds"]) == 3
    assert all(0.5 < fold["r2"] < 1 for fold in told["folds"])


def test_folds_of_both_kinds_at_once_are_refused(dense_bundle: Path, tmp_path: Path) -> None:
    data = labelled(tmp_path, walk(20), np.zeros(20))
    with pytest.raises(ConverterError, match="either shuffled or in time"):
        evaluate(dense_bundle, data, kfold=2, time_folds=2, train="a.py:build")


def test_a_reconstruction_error_is_judged_at_its_limit(
    odd_models: Path, tensorflow: TensorFlow, tmp_path: Path
) -> None:
    """The model gives the first input back and forgets the second, so the error is half its square."""
    card, data, out = tmp_path / "card.toml", tmp_path / "data.csv", tmp_path / "forget.bundle"
    card.write_text(
        'name = "forget"\nversion = "1"\nperiod = "1s"\ninputs = [{ name = "a" }, { name = "b" }]\n'
        '[[outputs]]\nname = "error"\nkind = "reconstruction_error"\ncolumn = "faulty"\n'
        "limits = { on = 0.5, off = 0.4 }\n"
    )
    rows = np.random.default_rng(0).normal(size=(200, 2)).round(3)
    table = np.column_stack([rows, np.abs(rows[:, 1]) >= 1])
    np.savetxt(data, table, "%g", delimiter=",", header="a,b,faulty", comments="")
    convert(odd_models / "forgets_b.keras", data, card, out, "float32", tensorflow=tensorflow)
    (found,) = evaluate(out, data, card=card).outputs
    assert found.threshold == 0.5
    told = found.paths["gateway"]
    assert all(told[name] == 1 for name in ("accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc"))
    assert (told["fp"], told["fn"], told["tp"]) == (0, 0, table[:, 2].sum())


def test_data_without_the_target_is_told(dense_bundle: Path, tmp_path: Path) -> None:
    path = labelled(tmp_path, walk(10), np.zeros(10))
    path.write_text(path.read_text().replace(dense_model.OUTPUT.name, "other", 1))
    with pytest.raises(ConverterError, match=f"no column {dense_model.OUTPUT.name}"):
        evaluate(dense_bundle, path)
