"""Who computes: chunks of structures, workers, memory that they share."""
