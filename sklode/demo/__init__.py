"""The command ``sklode demo``."""
