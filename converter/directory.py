"""A directory of models, each with the card and the data of its name beside it."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from converter import card_file
from converter.card import Card
from converter.errors import ConverterError

_WEIGHTS = ".weights.h5"


@dataclass(frozen=True, slots=True)
class Item:
    """One model, by absolute paths. `weights` are for an architecture, "" otherwise.

    `card` is None if it is to be inferred, `data` is None if there is none.
    """

    name: str
    model: Path
    weights: str
    data: Path | None
    card: Path | Card | None


def holds_models(path: Path) -> bool:
    """Tell whether `path` is a directory of models, and no SavedModel, which is a directory too."""
    return path.is_dir() and not (path / "saved_model.pb").is_file()


def find(folder: Path, data: Path | None, card: Path | None) -> list[Item]:
    """List the models of `folder` by name, each with the card and the data of its name beside it.

    `data` and `card` are for those that have none. With a common card, a bundle has its model's name.
    Raises `ConverterError` and `CardError`.
    """
    common = card_file.load(card) if card else None
    models: dict[str, Path] = {}
    for path in sorted(folder.absolute().iterdir()):
        if _is_model(path):
            if path.stem in models:
                raise ConverterError(
                    f"{path}: {models[path.stem].name} has the same name; rename one of them"
                )
            models[path.stem] = path
    if not models:
        raise ConverterError(
            f"{folder}: not a model, and holds none; NAME.keras, NAME.h5, NAME.json with NAME{_WEIGHTS}, or "
            "SavedModel directories are needed"
        )
    return [_item(name, path, data, common) for name, path in models.items()]


def _is_model(path: Path) -> bool:
    if path.is_dir():
        return (path / "saved_model.pb").is_file()
    if path.suffix == ".json":
        return path.with_suffix(_WEIGHTS).is_file()
    return path.suffix in {".keras", ".h5"} and not path.name.endswith(_WEIGHTS)


def _item(name: str, model: Path, data: Path | None, common: Card | None) -> Item:
    beside = (model.with_name(f"{name}{kind}") for kind in (".csv", ".npy"))
    card = model.with_name(f"{name}.toml")
    return Item(
        name=name,
        model=model,
        weights=str(model.with_suffix(_WEIGHTS)) if model.suffix == ".json" else "",
        data=next((path for path in beside if path.is_file()), data and data.absolute()),
        card=card if card.is_file() else common and msgspec.structs.replace(common, name=name),
    )
