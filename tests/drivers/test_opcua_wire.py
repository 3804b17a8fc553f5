"""The quick decoder says of every answer what asyncua says, and of damaged ones nothing but an error."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.drivers.opcua.breaking import UNREADABLE
from edge_agent.drivers.opcua.encoded import read_request, wanted
from edge_agent.drivers.opcua.wire import publish_response, read_response

INTEGERS = {"SByte": 8, "Int16": 16, "Int32": 32, "Int64": 64}
UNSIGNED = {"Byte": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}


def variants() -> st.SearchStrategy[ua.Variant]:
    signed = [
        st.tuples(st.just(k), st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1)) for k, n in INTEGERS.items()
    ]
    unsigned = [st.tuples(st.just(k), st.integers(0, 2**n - 1)) for k, n in UNSIGNED.items()]
    others = [
        st.tuples(st.just("Boolean"), st.booleans()),
        st.tuples(st.just("Float"), st.floats(width=32)),
        st.tuples(st.just("Double"), st.floats()),
        st.tuples(st.just("String"), st.text(max_size=9) | st.none()),
        st.tuples(st.just("Double"), st.lists(st.floats(), max_size=4)),
        st.tuples(st.just("LocalizedText"), st.builds(ua.LocalizedText, st.text(max_size=5))),
    ]
    made = st.one_of(*signed, *unsigned, *others)
    return made.map(lambda pair: ua.Variant(pair[1], ua.VariantType[pair[0]]))


@st.composite
def data_values(draw: Any) -> ua.DataValue:
    value = draw(variants() | st.none())
    status = draw(st.sampled_from([None, 0, 0x40900000, 0x80340000, 0x00000480]))
    times = st.integers(0, 2**50).map(ua.win_epoch_to_datetime) | st.none()
    picoseconds = st.integers(0, 9999) | st.none()
    return ua.DataValue(
        value,
        StatusCode=None if status is None else ua.StatusCode(status),
        SourceTimestamp=draw(times),
        ServerTimestamp=draw(times),
        SourcePicoseconds=draw(picoseconds),
        ServerPicoseconds=draw(picoseconds),
    )


def same(raw: Any, status: int, theirs: ua.DataValue) -> bool:
    wanted = theirs.Value.Value if theirs.Value is not None else None
    got = raw.Value if isinstance(raw, ua.Variant) else raw
    code = theirs.StatusCode.value if theirs.StatusCode is not None else 0
    return status == code and repr(got) == repr(wanted)


NODE_IDS = st.builds(
    ua.NodeId, st.integers(0, 2**32 - 1) | st.text(min_size=1, max_size=9) | st.uuids(), st.integers(0, 300)
)


@settings(max_examples=40)
@given(st.lists(NODE_IDS, max_size=4))
def test_a_request_is_encoded_as_asyncua_does(nodes: list[ua.NodeId]) -> None:
    header = ua.RequestHeader(Timestamp=datetime(2026, 1, 2, tzinfo=UTC))
    asked = [ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes]
    parameters = ua.ReadParameters(0, ua.TimestampsToReturn.Both, asked)
    theirs = ua.ReadRequest(RequestHeader=header, Parameters=parameters)
    ours = read_request([wanted(node) for node in nodes])
    ours.RequestHeader = header
    assert struct_to_binary(ours) == struct_to_binary(theirs)


@settings(max_examples=40)
@given(st.lists(data_values(), max_size=4))
def test_a_read_is_decoded_as_asyncua_does(answers: list[ua.DataValue]) -> None:
    response = ua.ReadResponse()
    response.Results = answers
    data = struct_to_binary(response)
    theirs = struct_from_binary(ua.ReadResponse, Buffer(data)).Results
    values = read_response(Buffer(data))
    assert len(values.raw) == len(theirs)
    assert all(map(same, values.raw, values.status, theirs))
    times = [ua.datetime_to_win_epoch(t.SourceTimestamp) if t.SourceTimestamp else 0 for t in theirs]
    assert [abs(ours - t) <= 10 for ours, t in zip(values.source, times, strict=True)] == [True] * len(times)


def publication(answers: list[ua.DataValue], ended: int | None = None) -> bytes:
    items = [ua.MonitoredItemNotification(7 + i, value) for i, value in enumerate(answers)]
    response = ua.PublishResponse()
    told = response.Parameters.NotificationMessage
    response.Parameters.SubscriptionId, told.SequenceNumber = 5, 9
    response.Parameters.AvailableSequenceNumbers = [9, 8]
    if items:
        told.NotificationData.append(ua.DataChangeNotification(items))
    if ended is not None:
        told.NotificationData.append(ua.StatusChangeNotification(ua.StatusCode(ended)))
    return struct_to_binary(response)


@settings(max_examples=40)
@given(st.lists(data_values(), max_size=4), st.none() | st.just(0x800A0000))
def test_a_publication_is_decoded_as_asyncua_does(answers: list[ua.DataValue], ended: int | None) -> None:
    data = publication(answers, ended)
    told = publish_response(Buffer(data))
    message = struct_from_binary(ua.PublishResponse, Buffer(data)).Parameters.NotificationMessage
    theirs = [
        item.Value for note in message.NotificationData[: bool(answers)] for item in note.MonitoredItems
    ]
    assert (told.subscription, told.sequence, told.ended) == (5, 9, ended)
    assert told.has_data == bool(answers or ended)
    assert told.handles == [7 + i for i in range(len(answers))]
    assert all(map(same, told.values.raw, told.values.status, theirs))


@settings(max_examples=40)
@given(st.lists(data_values(), min_size=1, max_size=4), st.data())
def test_a_damaged_answer_is_an_error_or_an_answer(answers: list[ua.DataValue], data: Any) -> None:
    response = ua.ReadResponse()
    response.Results = answers
    for whole, decode in (
        (struct_to_binary(response), read_response),
        (publication(answers), publish_response),
    ):
        damaged = bytearray(whole)
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(1, len(damaged)))
        with suppress(*UNREADABLE):
            decode(Buffer(bytes(damaged[:cut])))


def test_an_answer_that_ends_in_a_value_is_an_error() -> None:
    response = ua.ReadResponse()
    response.Results = [ua.DataValue(ua.Variant(1.0, ua.VariantType.Double), ServerTimestamp=None)]
    whole = struct_to_binary(response)
    without_diagnostics = 4
    for cut in range(without_diagnostics + 1, without_diagnostics + 10):
        with pytest.raises(UNREADABLE):
            read_response(Buffer(whole[:-cut]))
