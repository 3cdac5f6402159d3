"""Gateways: one thin adapter per client protocol, over the same sessions."""
