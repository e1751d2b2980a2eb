"""What became of a point of a data set."""

OK = 0
FAILED = 1
"""The simulation gave no answer; its figures are NaN."""
STEP = 2
"""A figure moves by more than its tolerance when every time step is halved: the simulation is not fine enough."""
NOT_FOUND = 3
"""The simulation is sound, but a figure cannot be read from it (the output never settled, never crossed ...)."""

MEANING = {
    OK: "ok",
    FAILED: "simulation failed",
    STEP: "figure moves when time steps are halved",
    NOT_FOUND: "figure not found in the waveform",
}
LONG_NAME = "; ".join(f"{value} = {text}" for value, text in MEANING.items())
