"""The ways out, one module each; none knows another."""
