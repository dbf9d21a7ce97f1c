"""VPCs, subnets and ports: which addresses exist, and which machine has which (VPC surface)."""
