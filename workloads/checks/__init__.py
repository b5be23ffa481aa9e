"""Live checks: each tries what must work and its negative twin, and says what it saw. None decides the verdict."""
