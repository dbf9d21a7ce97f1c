"""Tenancy: the project as a tenant of Workspace, its users and directory, and its quotas."""
