"""How the book is made: from its sources to published pages.

The environment of the book finds the package: ``python -m _tools.<group>.<module>`` runs a module of it.
"""
