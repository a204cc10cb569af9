"""Chapters over a grid of parameters, collected in one page."""
