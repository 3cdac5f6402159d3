"""Clocks: what happened before what (`vector`), and when (`hybrid`)."""
