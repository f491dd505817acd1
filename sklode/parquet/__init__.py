"""Features of structures in files of Parquet."""
