#!/bin/sh
# Makes this machine a node of the control plane. If any API server of the cluster answers, it joins that cluster;
# only the first node may begin one, and only when none does.
set -eu
. /etc/kubeadm/settings # NAME, FIRST, SERVERS
SPARE=/run/kubeadm
PATH=$PATH:/usr/local/bin

prepare() {
  kubeadm reset --force >/dev/null 2>&1 || true
  install -d -m 0755 /etc/kubernetes /etc/kubernetes/manifests
  install -d -m 0700 /etc/kubernetes/pki /etc/kubernetes/pki/etcd /var/log/kubernetes "$SPARE"
  cp -R /etc/kubeadm/pki/. /etc/kubernetes/pki/
  cp /etc/kubeadm/kube-vip.yaml /etc/kubernetes/manifests/kube-vip.yaml
}

alive() {
  for server in $SERVERS; do
    curl --silent --fail --max-time 5 --cacert /etc/kubeadm/pki/ca.crt "https://$server:6443/readyz" >/dev/null && return 0
  done
  return 1
}

begin() {
  prepare
  # Until kubeadm has given its administrators their rights, only the super administrator can hold the address.
  sed -i 's#path: /etc/kubernetes/admin.conf#path: /etc/kubernetes/super-admin.conf#' /etc/kubernetes/manifests/kube-vip.yaml
  kubeadm init --config /etc/kubeadm/init.yaml
  cp /etc/kubeadm/kube-vip.yaml /etc/kubernetes/manifests/kube-vip.yaml
}

# A machine of this name that is gone has left a member of etcd behind, which counts in every vote.
forget_predecessor() {
  kubectl="kubectl --kubeconfig $SPARE/admin.conf"
  $kubectl delete node "$NAME" --ignore-not-found
  pod=$($kubectl --namespace kube-system get pods --selector component=etcd --output name | grep -v "etcd-$NAME\$" | head -n 1)
  etcdctl="$kubectl --namespace kube-system exec ${pod#pod/} -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt
    --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key"
  $etcdctl member list | awk -F ', ' -v name="$NAME" '$3 == name { print $1 }' | while read -r member; do
    $etcdctl member remove "$member" </dev/null
  done
}

join() {
  prepare
  # The authority is on this machine, so it signs what it joins with; the file goes with the next boot.
  kubeadm init phase kubeconfig admin --config /etc/kubeadm/init.yaml --kubeconfig-dir "$SPARE" &&
    forget_predecessor &&
    kubeadm join --config /etc/kubeadm/join.yaml
}

attempts=0
until alive; do
  attempts=$((attempts + 1))
  if [ "$FIRST" = true ] && [ "$attempts" -ge 12 ]; then
    begin
    exit 0
  fi
  sleep 5
done
until join; do
  sleep 15
done
