# The classes of diffusers as untyped: its annotations do not know that a config has attributes, what a pipeline
# returns, or that a tokenizer need not be an AutoTokenizer.
from typing import Any

def __getattr__(name: str) -> Any: ...
