"""Why an alarm came: the model is asked about it again, one input at a time, when nobody waits for it."""

import asyncio

from edge_agent.core.reasons import Cause, Reasons
from edge_agent.core.tags import Reason
from edge_agent.inference.host import ModelHost

SHARE = 0.2
"""Share of the period that may be spent in a cycle on asking the model why there is an alarm."""


async def explain(reasons: Reasons, model: ModelHost, period: float) -> tuple[str, tuple[Cause, ...]] | None:
    """Go on with the question that there is; return its output and the causes once all is answered.

    What a share of the `period`, in seconds, is not enough for is asked after the next cycles. An answer that
    does not come ends it.
    """
    question = reasons.question
    if question is None:
        return None
    time = asyncio.get_running_loop().time
    until = time() + SHARE * period
    while question.candidates:
        place = question.candidates.pop(0)
        asked = question.occluded(place)
        answers = await model.ask(asked[None])
        if isinstance(answers, Reason):
            reasons.question = None
            return None
        question.hear(place, asked, answers[0].reshape(-1))
        if question.candidates and model.hurried and time() > until:
            return None
    return question.output, question.causes()
