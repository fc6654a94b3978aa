"""What a refused call must say."""

import re

import pytest


def expect(exception, argument, call):
    """Exactly that class, and a message that names the argument."""
    with pytest.raises(exception) as caught:
        call()
    assert type(caught.value) is exception
    assert re.search(rf"(?<![\w.]){re.escape(argument)}(?!\w)", str(caught.value)), caught.value
    assert len(str(caught.value)) < 1000


def numbered(table):
    """Parameters of a test from rows that begin with the name of an argument."""
    return [pytest.param(*row, id=f"{k}-{row[0]}") for k, row in enumerate(table)]
