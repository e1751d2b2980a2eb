"""Layers whose matrices are on tiles: linear, convolution, LSTM, GRU."""
