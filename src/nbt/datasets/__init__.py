"""Data to learn from: processes whose entropy rate is known, and a text.

Every symbol data set is a stream (`nbt.streams`), endless but for the text.
"""

from nbt.datasets.notation import music
from nbt.datasets.texts import shakespeare
from nbt.datasets.words import anbn

__all__ = ["anbn", "music", "shakespeare"]
