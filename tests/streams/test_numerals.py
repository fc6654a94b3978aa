"""Which text is a number, what is missing, which number a moment is."""

import datetime
import decimal
import math

import numpy as np
import pytest

from nbt.streams.tables.numerals import MISSING, Numerals, is_missing, number_in, seconds_of

UTC = datetime.UTC
BERLIN = datetime.timezone(datetime.timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0", 0.0), ("-1.5e3", -1500.0), (" +.5 ", 0.5), ("7.", 7.0), ("1E-2", 0.01)],
        *[(text, None) for text in ("1_000", "0x10", "true", "inf", "-Infinity", "nan", "1e999")],
        *[(text, None) for text in ("", "-", "1 2", "1,5", "٣", "1.2.3", "--1", "9" * 400)],
    ],
)
def test_numbers_in_text(text, number):
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "number"),
    [
        ("21,5", ",", "", 21.5),
        ("21.5", ",", "", None),
        ("1.234,5", ",", ".", 1234.5),
        ("1.234", ",", ".", 1234.0),
        ("1.23", ",", ".", None),
        ("1234.567,5", ",", ".", None),
        ("-1,234,567.25", ".", ",", -1234567.25),
        ("1,5", ".", ",", None),
        ("1,234e3", ".", ",", None),
        ("1\xa0234", ".", "\xa0", 1234.0),
        ("1'000", ".", "'", 1000.0),
        (",5", ",", ".", 0.5),
        ("1,2,3", ",", "", None),
    ],
)
def test_marks(text, decimal, thousands, number):
    assert number_in(text, decimal, thousands) == number


def test_what_is_missing():
    pd = pytest.importorskip("pandas")
    gone = [None, math.nan, np.float32("nan"), np.datetime64("NaT"), np.timedelta64("NaT")]
    gone += [pd.NA, pd.NaT, "", " ", "NA", "n/a", "#N/A", "NaN", "null", "None", "?", "-", "\\N"]
    assert all(map(is_missing, gone))
    assert not any(map(is_missing, [0, 0.0, "0", False, "x", [], UTC, datetime.date.today(), "--"]))
    assert all(word == word.lower() for word in MISSING)


def test_moments():
    pd = pytest.importorskip("pandas")
    at = 1_767_225_600.5  # 2026-01-01 00:00:00.5 UTC
    same = [
        datetime.datetime(2026, 1, 1, 0, 0, 0, 500_000),
        datetime.datetime(2026, 1, 1, 1, 0, 0, 500_000, BERLIN),
        np.datetime64("2026-01-01T00:00:00.500"),
        np.datetime64("2026-01-01T00:00:00.500000000"),
        pd.Timestamp("2026-01-01T00:00:00.5"),
        pd.Timestamp("2026-01-01T02:00:00.5+02:00"),
        *("2026-01-01T00:00:00.5Z", "2026-01-01 00:00:00,500", " 2025-12-31T19:00:00.5-05:00 "),
    ]
    assert [seconds_of(value) for value in same] == [at] * len(same)
    assert seconds_of(datetime.date(1970, 1, 2)) == seconds_of("1970-01-02") == 86400
    assert seconds_of("01.02.1970 12:00", "%d.%m.%Y %H:%M") == 31.5 * 86400
    lasting = [datetime.timedelta(minutes=1.5), np.timedelta64(90, "s"), pd.Timedelta("90s")]
    assert [seconds_of(value) for value in lasting] == [90] * 3
    assert [seconds_of(value) for value in ("soon", 5, None, "12:00", b"2026-01-01")] == [None] * 5
    assert [seconds_of(np.timedelta64(1, unit)) for unit in "YM"] == [None] * 2
    assert all(math.isnan(seconds_of(value)) for value in (pd.NaT, np.datetime64("NaT")))


def test_fields_of_a_table():
    read = Numerals().value
    assert read("1.5") == read(1.5) == read(decimal.Decimal("1.5")) == read(np.float32(1.5)) == 1.5
    assert read(7) == 7
    assert read("1970-01-02") == 86400
    assert math.isnan(read(None))
    assert math.isnan(read("#N/A"))
    with pytest.raises(ValueError, match=r"np.timedelta64\(1,'Y'\) is not a number"):
        read(np.timedelta64(1, "Y"))
    words = Numerals(missing=("-999", "ERR", "9999.9"))
    assert all(math.isnan(words.value(v)) for v in ("-999", -999, "-999.0", "err", " ERR", 9999.9))
    assert words.value("999") == 999
    assert math.isnan(Numerals(",", missing=("-99,5",)).value("-99,50"))
    yes = Numerals(booleans=True)
    assert [yes.value(v) for v in (True, "false", " TRUE", np.False_)] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        *[(field, "is not a number") for field in ("x", "1_000", "true", True, np.True_, [1], {})],
        *[(field, "infinite, or too large") for field in ("inf", math.inf, "1e999", 10**400)],
        pytest.param(10**5000, "infinite, or too large", id="5000 digits"),
        pytest.param("x" * 10_000, "'xxx.*\\.\\.\\. is not a number", id="10000 letters"),
    ],
)
def test_what_is_no_number_is_said_in_a_short_line(field, words):
    with pytest.raises(ValueError, match=words) as caught:
        Numerals().value(field)
    assert len(str(caught.value)) < 120
