"""From an error text to ranked causes: what the text alone says, without a look at a host."""

from autoloop.core.reading.arbiter import text_engine
from autoloop.core.reading.engine import SignatureEngine, TextEngine, signature_engine

__all__ = ["SignatureEngine", "TextEngine", "signature_engine", "text_engine"]
