"""The heart: image servers, from the request to the running machine and back to nothing."""
