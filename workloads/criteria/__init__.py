"""The criteria, one module for each part of the requirement documents. Rows only."""
