"""Rendering: seeded procedural scenes, drawn by OpenGL, as clips to train on."""
