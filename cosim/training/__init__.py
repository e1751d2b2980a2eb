"""Training of networks for the hardware (extra `train`, PyTorch)."""
