"""``driver = "pymodbus"``: values as with our own client, and its wrong successes are none."""

import pytest
from memory_line import tags
from modbus_liar import TAGS, always, frame, served
from test_modbus import libmodbus, libmodbus_server  # noqa: F401 - fixtures

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.modbus.driver import Modbus
from edge_agent.drivers.modbus.pymodbus_link import PymodbusLink

pytestmark = pytest.mark.sockets


async def test_libmodbus_is_read_and_written(libmodbus: int) -> None:  # noqa: F811 - a fixture
    driver = Modbus(PymodbusLink("127.0.0.1", libmodbus, 1.0), 1)
    await driver.connect()
    assert (await driver.read(driver.plan_read(tags(1, range(300))))).value.tolist() == list(range(300))
    await driver.write(driver.plan_write(tags(1, (7, 8))), [70, 80])
    assert (await driver.read(driver.plan_read(tags(1, (7, 8))))).value.tolist() == [70, 80]
    with pytest.raises(Refused, match="illegal data address"):
        await driver.write(driver.plan_write(tags(1, (2000,))), [1])
    await driver.close()
    with pytest.raises(LinkDown, match="not connected"):
        await driver.read(driver.plan_read(tags(1)))


@pytest.mark.parametrize(
    "reply", ["03020004", "0306000400050006", "0300", "040400040005", "100004000200"], ids=str
)
async def test_what_pymodbus_takes_for_success_is_a_bad_reply(reply: str) -> None:
    wrong = bytes.fromhex(reply)
    async with served(always(lambda t, u, p: frame(t, u, wrong))) as ours:
        (endpoint,) = ours.link._endpoints._all
        driver = Modbus(PymodbusLink("127.0.0.1", endpoint.port, 0.3), 3)
        await driver.connect()
        with pytest.raises(LinkDown) as down:
            await driver.read(driver.plan_read(TAGS))
        assert down.value.reason in {Reason.BAD_REPLY, Reason.TIMEOUT}
        await driver.close()


async def test_silence_is_a_timeout_and_nobody_there_is_no_link() -> None:
    async with served(always(lambda t, u, p: b"")) as ours:
        (endpoint,) = ours.link._endpoints._all
        driver = Modbus(PymodbusLink("127.0.0.1", endpoint.port, 0.1), 3)
        await driver.connect()
        with pytest.raises(LinkDown) as down:
            await driver.read(driver.plan_read(TAGS))
        assert down.value.reason is Reason.TIMEOUT
        await driver.close()
    with pytest.raises(LinkDown):
        await Modbus(PymodbusLink("127.0.0.1", 1, 0.1), 3).connect()
