"""The card of a model that nobody has described: both files are looked at, and what they tell is written."""

from pathlib import Path

from converter import card_text, inferring, job, recorded
from converter.card import Card
from converter.loading import Loading
from converter.process import TensorFlow, workspace


def guess(
    model: Path, data: Path, loading: Loading, tensorflow: TensorFlow, deadline: float
) -> tuple[Card, str]:
    """Return a card, and its text for the user to keep. Raises `ConverterError` if anything is unclear."""
    seen = recorded.look(data)
    with workspace() as folder:
        task = job.Look(model=str(model.absolute()), loading=loading)
        facts = tensorflow.do(task, folder, deadline)
    inferred = inferring.infer(model.stem, seen, facts)
    return inferred.card, card_text.write(inferred, data.name)
