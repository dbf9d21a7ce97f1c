"""Policies: what a document may say, what it means, and who may do what because of it.

Pure rules, no I/O. `grammar.parse` turns a document into a `Policy`, `evaluate.compile` many granted policies into
a `PolicySet`, which decides; `explain` puts a refusal into words; `system` holds the policies that come with it.
"""
