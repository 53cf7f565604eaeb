study=None
