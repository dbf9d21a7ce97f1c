"""What happens, as it happens: the record of events, the stream of them, and webhooks."""
