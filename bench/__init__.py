"""Measurements: each target of the project has a script here, its figure is measured on the spot, and peers run beside us."""
