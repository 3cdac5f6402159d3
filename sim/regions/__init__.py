"""Regions: how long a round trip between any two takes, from files or from presets of large clouds."""

from sim.regions.files import read_matrix as read_matrix
from sim.regions.matrix import RegionMatrix as RegionMatrix
from sim.regions.presets import PRESETS as PRESETS
from sim.regions.presets import load_matrix as load_matrix
from sim.regions.presets import named_matrix as named_matrix
from sim.regions.presets import preset as preset
