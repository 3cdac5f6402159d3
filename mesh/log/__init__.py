"""Records, batches, logs and names: what is written once, and how it is known to be whole."""
