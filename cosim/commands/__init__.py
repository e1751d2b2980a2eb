"""What the commands do and print; `cli` only parses."""
