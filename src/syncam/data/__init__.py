"""Clips in memory, clips on disk, and the only code that decodes or encodes video."""
