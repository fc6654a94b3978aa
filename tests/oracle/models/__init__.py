"""Oracles of models that are no networks."""
