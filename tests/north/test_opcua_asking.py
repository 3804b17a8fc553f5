"""What the server's process asks of the agent: answered, or not in time."""

import asyncio

from edge_agent.north.opcua.asking import DEADLINE, MOST, Asking
from edge_agent.north.opcua.site import Asked, Told


async def test_answers_find_their_questions_and_silence_ends() -> None:
    said: list[Asked] = []
    asking = Asking(said.append)

    async def ask(comment: str) -> str | None:
        return await asking.ask("comment", "pump", "wear", comment, "anna")

    both = asyncio.gather(ask("one"), ask("two"))
    await asyncio.sleep(0)
    one, two = said
    asking.hear(Told(number=two.number, refused="no"))
    asking.hear(Told(number=one.number, refused=""))
    asking.hear(Told(number=99, refused=""))
    assert await both == ["", "no"]
    began = asyncio.get_running_loop().time()
    many = await asyncio.gather(*(ask("x") for _ in range(MOST + 1)))
    assert many == [None] * (MOST + 1)
    assert len(said) == 2 + MOST
    assert asyncio.get_running_loop().time() - began == DEADLINE
    asking.hear(Told(number=said[-1].number, refused=""))
