"""Energy, latency and area of networks on the hardware, every total unfolded to its terms."""
