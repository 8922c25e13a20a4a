"""What a system eats: inputs that turn waveforms into arrays, the store that keeps them, and the speech encoders."""
