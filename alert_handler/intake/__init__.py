"""Webhooks in: one file per sender, from its wire format to the model."""
