"""Addresses say what is wrong with them."""

import pytest

from edge_agent.core.registers import Address


@pytest.mark.parametrize(
    "address",
    [
        Address(table="coil", offset=65535, type="bool"),
        Address(table="holding", offset=0, type="bool", bit=15),
        Address(table="holding", offset=65532, type="uint64", order="GHEFCDAB"),
        Address(table="input", offset=0, type="int8", order="H"),
        Address(table="holding", offset=0, type="uint32", bit=4, width=20),
        Address(table="holding", offset=0, type="uint16", bit=8, width=8, nan=(0xFF,)),
        Address(table="holding", offset=0, type="string", length=250, order="BA", encoding="latin-1"),
        Address(table="holding", offset=0, type="time_bytes", order="CDABEF"),
        Address(table="holding", offset=0, type="float32", nan=(0x7FC00000,)),
    ],
)
def test_a_good_address_has_no_problem(address: Address) -> None:
    assert address.problem() is None


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (Address(table="holding", offset=65535, type="uint32"), "outside"),
        (Address(table="holding", offset=-1, type="uint16"), "outside"),
        (Address(table="holding", offset=0, type="int24"), "int24"),
        (Address(table="holding", offset=0, type="uint8", order="AB"), "H nor L"),
        (Address(table="holding", offset=0, type="int16", bit=4, width=4), "uint16"),
        (Address(table="holding", offset=0, type="uint16", bit=12, width=5), "bits 12-16"),
        (Address(table="holding", offset=0, type="string"), "string[n]"),
        (Address(table="holding", offset=0, type="string", length=4, encoding="ebcdic"), "ebcdic"),
        (Address(table="holding", offset=0, type="uint16", nan=(0x18000,)), "16 bits"),
        (Address(table="holding", offset=0, type="uint32", order="AB"), "order"),
        (Address(table="holding", offset=0, type="uint32", order="AACD"), "order"),
        (Address(table="holding", offset=0, type="bool"), "bit"),
        (Address(table="holding", offset=0, type="bool", bit=16), "bit 16"),
        (Address(table="coil", offset=0, type="bool", bit=0), "bit"),
        (Address(table="coil", offset=0, type="uint16"), "bool"),
        (Address(table="coil", offset=0, type="bool", order="AB"), "order"),
        (Address(table="input", offset=0, type="uint16", bit=3), "bit"),
    ],
)
def test_an_address_says_what_is_wrong_with_it(address: Address, problem: str) -> None:
    assert problem in (address.problem() or "nothing")
