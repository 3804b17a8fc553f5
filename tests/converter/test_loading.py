"""Models in every form that the two Keras libraries and TensorFlow write, loaded as they were trained."""

import json
from pathlib import Path

import pytest
from sources import python

CONVERTED = [
    "keras2.h5", "keras2.keras", "keras2_attending.keras", "keras2_autoencoder.keras", "keras2_calling.h5",
    "keras2_calling.keras", "keras2_convolutional.h5", "keras2_prepared.keras", "keras2_saved",
    "keras2_stateful.keras", "keras3.h5", "keras3.keras", "keras3_attending.keras",
    "keras3_autoencoder.keras", "keras3_batch_of_8.h5", "keras3_calling.keras", "keras3_convolutional.h5",
    "keras3_exported", "keras3_prepared.keras", "keras3_stateful.keras", "plain",
]  # fmt: skip
FORMS = [*CONVERTED, "keras2.json", "keras3.json", "hdf5_inside.keras", "says_nothing.json"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder, here = tmp_path_factory.mktemp("saved"), Path(__file__).parent
    python(here / "build_saved_models.py", folder)
    return json.loads(python(here / "load_saved_models.py", folder).splitlines()[-1])


def test_every_form_is_there(loaded: dict) -> None:
    assert sorted(loaded) == sorted(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_a_model_answers_as_where_it_was_saved(loaded: dict, form: str) -> None:
    assert "refused" not in loaded[form]
    assert loaded[form]["predicted"] <= 1e-6


@pytest.mark.parametrize("form", CONVERTED)
def test_converted_it_answers_the_same_and_keeps_no_state(loaded: dict, form: str) -> None:
    found = loaded[form]
    assert found["converted"] <= 1e-5
    assert found["again"]


def test_what_loads_a_model_is_what_its_file_asks_for(loaded: dict) -> None:
    said = {form: found["loaded_with"] for form, found in loaded.items()}
    for form in ("keras2.h5", "keras2.keras", "keras2.json", "hdf5_inside.keras"):
        assert said[form] == "tf_keras 2.21.0 (file says Keras 2.21.0)"
    for form in ("keras3.h5", "keras3.keras"):
        assert said[form] == "Keras 3.15.1 (file says Keras 3.15.1)"
    assert said["keras3.json"].endswith("(file says Keras 3)")
    assert said["says_nothing.json"].endswith("(file does not say by what it was written)")
    assert said["says_nothing.json"].startswith("tf_keras")
    assert "SavedModel written by TensorFlow 2.21" in said["plain"]
