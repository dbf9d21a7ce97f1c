"""The leak detector: compares every owner with every thing, and may clear away what belongs to nobody."""
