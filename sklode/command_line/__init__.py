"""The commands of ``sklode``, one a file: each reads options, calls the library and prints."""
