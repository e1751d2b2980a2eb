"""Decks in, waveforms out: the only place that knows PySpice and ngspice."""
