"""What is written: whole files in folders that can be written to, tables and structures."""
