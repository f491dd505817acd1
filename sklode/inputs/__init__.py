"""From what users pass to arrays: containers of Atoms, targets, files."""
