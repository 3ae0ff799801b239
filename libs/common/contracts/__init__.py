"""What services say to each other: entries of the log, bodies inside them, and requests to the vault."""
