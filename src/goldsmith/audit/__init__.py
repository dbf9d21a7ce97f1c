"""The audit trail: who did what, or was refused, chained so that nothing can be taken away unseen."""
