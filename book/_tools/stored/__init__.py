"""Tables of larger runs in ``book/data``, each with the command that computes it again."""
