"""How well a model predicts: groups left out together, tables of errors, learning curves."""
