"""The quality engine: the same scenes through Blender's Cycles, in a process and an environment of its own."""
