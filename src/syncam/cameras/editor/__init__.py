"""The rig editor: a page in the browser that shows and edits cameras, and the server behind it."""

from syncam.cameras.editor.editing import edit_rig
from syncam.cameras.editor.page import write_page

__all__ = ["edit_rig", "write_page"]
