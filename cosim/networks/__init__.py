"""Networks whose layers are tiles, and the files their weights live in."""
