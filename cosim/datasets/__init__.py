"""Data sets: real data in the form a network takes, with fixed splits."""
