"""Engines: one protocol each, strangers to one another; `mesh.node` introduces them."""
