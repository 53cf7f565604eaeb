"""bankmine: the small library that the notebooks of the workspace share."""
