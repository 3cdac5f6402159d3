"""What a world calls things in its trace and in its coverage, looked up by type."""

from __future__ import annotations

from typing import get_args

from mesh.effects import Event
from mesh.frames import Frame
from mesh.operations import ClientOperation, NodeOperation

EVENT = {kind: kind.__name__.encode() for kind in get_args(Event)}
FRAME = {kind: f"frame/{kind.__name__}" for kind in get_args(Frame)}
TELL = {kind: f"tell/{kind.__name__}" for kind in get_args(NodeOperation)}
ASK = {kind: f"ask/{kind.__name__}" for kind in get_args(ClientOperation)}
