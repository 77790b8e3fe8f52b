"""Pipelines: text and cameras in, synchronised videos out; and the generate verb."""
