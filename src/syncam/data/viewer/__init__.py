"""The data viewer: a page in the browser that plays the views of a scene beside its rig, and the server behind it."""

from syncam.data.viewer.viewing import view_dataset

__all__ = ["view_dataset"]
