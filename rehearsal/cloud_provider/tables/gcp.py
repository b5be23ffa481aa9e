"""Package `gcp`: identifiers, outputs and answers in the form that Google Cloud gives them."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import Table

_PROJECT = "projects/${project}"

TABLE = Table(
    default_id=_PROJECT + "/locations/${region}/${kind}s/${name}",
    defaults={
        "project": "stand-in-project",
        "region": "us-central1",
        "zone": "us-central1-a",
        "minMasterVersion": "1.35",
    },
    ids={
        "gcp:compute/network:Network": _PROJECT + "/global/networks/${name}",
        "gcp:compute/subnetwork:Subnetwork": _PROJECT + "/regions/${region}/subnetworks/${name}",
        "gcp:compute/router:Router": _PROJECT + "/regions/${region}/routers/${name}",
        "gcp:container/cluster:Cluster": _PROJECT + "/locations/${location}/clusters/${name}",
        "gcp:container/nodePool:NodePool": "${cluster}/nodePools/${name}",
        "gcp:storage/bucket:Bucket": "${name}",
        "gcp:kms/keyRing:KeyRing": _PROJECT + "/locations/${location}/keyRings/${name}",
        "gcp:kms/cryptoKey:CryptoKey": "${keyRing}/cryptoKeys/${name}",
        "gcp:serviceaccount/account:Account": _PROJECT
        + "/serviceAccounts/${accountId}@${project}.iam.gserviceaccount.com",
        "gcp:filestore/instance:Instance": _PROJECT + "/locations/${location}/instances/${name}",
        "gcp:artifactregistry/repository:Repository": _PROJECT + "/locations/${location}/repositories/${repositoryId}",
    },
    common={
        "selfLink": "https://www.googleapis.com/compute/v1/${id}",
        "project": "${project}",
        "region": "${region}",
    },
    outputs={
        "gcp:container/cluster:Cluster": {
            "endpoint": "${endpoint}",
            "masterVersion": "${minMasterVersion}.2-gke.100",
            "masterAuth": {"clusterCaCertificate": "${ca}"},
            "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": "${endpoint}"}},
        },
        "gcp:serviceaccount/account:Account": {
            "email": "${accountId}@${project}.iam.gserviceaccount.com",
            "member": "serviceAccount:${accountId}@${project}.iam.gserviceaccount.com",
            "uniqueId": "1${octet}",
        },
        "gcp:storage/bucket:Bucket": {
            "url": "gs://${name}",
            "selfLink": "https://www.googleapis.com/storage/v1/b/${name}",
        },
        "gcp:compute/address:Address": {"address": "203.0.113.${octet}"},
        "gcp:projects/serviceIdentity:ServiceIdentity": {
            "email": "service-${octet}@stand-in.iam.gserviceaccount.com",
            "member": "serviceAccount:service-${octet}@stand-in.iam.gserviceaccount.com",
        },
    },
    follows={"gcp:container/cluster:Cluster": {"masterVersion": "minMasterVersion"}},
    force_new={
        "gcp:container/cluster:Cluster": frozenset({"network", "subnetwork", "ipAllocationPolicy"}),
        "gcp:container/nodePool:NodePool": frozenset(
            {
                "cluster",
                "placementPolicy",
                "nodeConfig.guestAccelerators",
                "nodeConfig.reservationAffinity",
                "nodeConfig.serviceAccount",
                "nodeConfig.spot",
            }
        ),
        "gcp:storage/bucket:Bucket": frozenset({"hierarchicalNamespace"}),
        "gcp:serviceaccount/account:Account": frozenset({"accountId"}),
        "gcp:kms/cryptoKey:CryptoKey": frozenset({"keyRing", "purpose"}),
    },
    config_force_new=frozenset({"project", "region"}),
    invokes={
        "gcp:organizations/getClientConfig:getClientConfig": {
            "accessToken": "stand-in",
            "project": "${project}",
            "region": "${region}",
            "zone": "${zone}",
            "id": "stand-in",
            "defaultLabels": {},
        },
        "gcp:organizations/getProject:getProject": {
            "id": "${project}",
            "projectId": "${project}",
            "number": "100000000001",
            "name": "${project}",
        },
        "gcp:compute/getZones:getZones": {
            "names": ["${region}-a", "${region}-b", "${region}-c"],
            "id": "stand-in",
            "project": "${project}",
        },
        "gcp:container/getEngineVersions:getEngineVersions": {
            "latestMasterVersion": "1.35.2-gke.100",
            "latestNodeVersion": "1.35.2-gke.100",
            "defaultClusterVersion": "1.35.2-gke.100",
            "validMasterVersions": ["1.35.2-gke.100", "1.34.5-gke.100"],
            "releaseChannelLatestVersion": {"STABLE": "1.34.5-gke.100", "REGULAR": "1.35.2-gke.100"},
            "releaseChannelDefaultVersion": {"STABLE": "1.34.5-gke.100", "REGULAR": "1.35.2-gke.100"},
            "project": "${project}",
            "id": "stand-in",
        },
        "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": {
            "emailAddress": "service-1@gs-project-accounts.iam.gserviceaccount.com",
            "id": "stand-in",
            "member": "serviceAccount:service-1@gs-project-accounts.iam.gserviceaccount.com",
            "project": "${project}",
        },
    },
)
