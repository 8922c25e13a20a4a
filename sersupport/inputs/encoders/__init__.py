"""Pretrained speech encoders: where they lie, whether they are whole, and one interface to all of them."""
