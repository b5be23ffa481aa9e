"""What a pull request would change, judged: preview of both sides, policies, cost, topology. Changes nothing."""
