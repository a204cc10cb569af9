"""How the book is made: from its sources to published pages. Run a module with ``python -m _tools.<group>.<module>``."""
