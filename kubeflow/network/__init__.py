"""Network flows as data: what may talk to what and why, the policies made from it, and the proof that both agree."""

from .flows import Addresses, Flow, Network, Outside, Workload
from .policies import platform, tenant

__all__ = ["Addresses", "Flow", "Network", "Outside", "Workload", "platform", "tenant"]
