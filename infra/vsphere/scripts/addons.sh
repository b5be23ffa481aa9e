#!/bin/sh
# Applies the manifests that the node image brings. Its unit runs it again until every one of them was accepted.
set -eu
while read -r folder; do
  kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side --force-conflicts --filename "$folder"
done </etc/kubeadm/addons
