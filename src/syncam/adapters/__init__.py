"""Small trained modules that add cameras and several views to a stock diffusers transformer."""

from syncam.adapters.attachment import Attachment
from syncam.adapters.epipolar_sync import EpipolarSyncAdapter
from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.adapters.joint_view_sync import JointViewSyncAdapter
from syncam.adapters.pluecker import PlueckerAdapter
from syncam.adapters.view_sync import ViewSyncAdapter

__all__ = [
    "Attachment",
    "EpipolarSyncAdapter",
    "FrameConcatAdapter",
    "JointViewSyncAdapter",
    "PlueckerAdapter",
    "ViewSyncAdapter",
]
