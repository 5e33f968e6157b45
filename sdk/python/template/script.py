"""Counts words."""

import logging
import re
from collections import Counter
from dataclasses import dataclass

from jobcontrol import progress


@dataclass
class Word:
    word: str
    count: int


def words(texts: list[str], least: int = 1) -> list[Word]:
    """Counts the words of some texts; `least` is how often a word has to occur."""
    counts = Counter(word for text in progress(texts, "texts") for word in re.findall(r"\w+", text.lower()))
    logging.info("counted %d words", len(counts))
    return [Word(word, count) for word, count in counts.most_common() if count >= least]
