"""May a stack be changed so: the policy pack. Standalone; imports nothing of the rest."""
