"""The image catalogue: listings, private images and who may use them (IMS surface)."""
