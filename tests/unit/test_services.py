"""Databases, buckets and data services, on upstream's real objects where there are any: one sentence for each."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import pulumi
import pytest
import yaml

from infra.contract import CREDENTIALS_FILE, TOKEN_FILE, Binding, Bucket, Storage, Store
from kubeflow.distribution import CacheMissingError, load, table
from kubeflow.install import kinds
from kubeflow.install.transforms import Context, Step, transform
from kubeflow.quantity import Quantity
from kubeflow.services import databases, feast, identity, mlflow, object_store, registry
from kubeflow.services.databases import Login
from kubeflow.spec.data import Artifacts, ExternalServer, FeastSpec, MlflowSpec, RegistrySpec, Volumes

Object = dict[str, Any]
STORAGE = Storage(block="fast", shared="files")
PASSWORD = "not-a-real-password"
GIVEN = ExternalServer(host="db.example.test", secret="databaseLogin", user="ada")


@cache
def _upstream(component: str) -> tuple[Object, ...]:
    try:
        (rendered,) = load(table.CURRENT, (component,)).components.values()
    except CacheMissingError as error:
        pytest.skip(f"upstream's objects are not at hand: {error}")
    return (*rendered.core, *rendered.late)


def installed(component: str, steps: Iterable[Step], namespace: str | None = None) -> dict[tuple[str, str], Object]:
    """A component's objects after the installation's transforms and these steps, by kind and name."""
    context = Context(namespace=namespace, webhooks=True, containers=True, cluster_scoped=kinds.cluster_scoped(()))
    made: dict[tuple[str, str], Object] = {}
    for upstream in _upstream(component):
        body: Object | None = transform(upstream, context)
        for step in steps:
            body = None if body is None else step.apply(body, context)
        if body is not None:
            made[body["kind"], body["metadata"]["name"]] = body
    return made


def settled(make: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it makes
    """What `make` makes, with every Output as its value."""

    async def run() -> Any:  # noqa: ANN401 - as above
        return await pulumi.Output.from_input(make()).future()

    return asyncio.run(run())


def hidden(make: Callable[[], Any]) -> bool:
    """Whether what `make` makes is secret."""

    async def run() -> bool:
        return await pulumi.Output.from_input(make()).is_secret()

    return asyncio.run(run())


def bucket(scheme: str, *, key: bool = False, endpoint: str = "https://store.example.test") -> Bucket:
    credential = pulumi.Output.secret(json.dumps({"accessKey": "id", "secretKey": "hush"})) if key else None
    name = pulumi.Output.from_input("artifacts")
    return Bucket(
        scheme=scheme,
        name=name,
        uri=name,
        endpoint=pulumi.Output.from_input(endpoint),
        region="here-1",
        credential=credential,
    )


def login(user: str = "ada", port: int = 3306) -> Login:
    return Login(host="db.example.test", port=port, user=user, password=pulumi.Output.secret(PASSWORD))


def environment(body: Object, container: int = 0) -> dict[str, Any]:
    containers = body["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in containers[container]["env"]}


# Pipelines and Katib on a given database.


def test_pipelines_on_a_given_server_leaves_out_all_of_its_own() -> None:
    before = installed("pipelines", ())
    after = settled(lambda: list(installed("pipelines", databases.pipelines_steps(login())).items()))
    gone = set(before) - {tuple(key) for key, _ in after}
    assert gone == {
        ("Deployment", "mysql"), ("Service", "mysql"), ("PersistentVolumeClaim", "mysql-pv-claim"),
        ("ServiceAccount", "mysql"), ("AuthorizationPolicy", "mysql"), ("DestinationRule", "ml-pipeline-mysql"),
    }  # fmt: skip
    data = {tuple(key): body for key, body in after}
    config = data["ConfigMap", "pipeline-install-config"]["data"]
    assert (config["dbHost"], config["mysqlHost"], config["dbPort"]) == ("db.example.test", "db.example.test", "3306")
    assert data["Secret", "mysql-secret"]["stringData"] == {"username": "ada", "password": PASSWORD}
    assert "db.example.test" not in json.dumps(before["ConfigMap", "pipeline-install-config"])


def test_nothing_of_pipelines_names_its_own_database_any_more() -> None:
    made = settled(lambda: list(installed("pipelines", databases.pipelines_steps(login())).values()))
    named = [
        f"{body['kind']}/{body['metadata']['name']}"
        for body in made
        if "mysql.kubeflow" in json.dumps(body) or '"claimName": "mysql-pv-claim"' in json.dumps(body)
    ]
    assert named == []


def test_katib_on_a_given_server_leaves_out_its_own_and_is_told_where_it_is() -> None:
    made = settled(lambda: list(installed("katib", databases.katib_steps(login())).items()))
    objects = {tuple(key): body for key, body in made}
    assert [key for key in objects if key[1] == "katib-mysql"] == []
    told = environment(objects["Deployment", "katib-db-manager"])
    assert (told["KATIB_MYSQL_DB_HOST"], told["KATIB_MYSQL_DB_PORT"], told["DB_USER"]) == (
        "db.example.test", "3306", "ada",
    )  # fmt: skip
    assert objects["Secret", "katib-mysql-secrets"]["stringData"] == {"MYSQL_ROOT_PASSWORD": PASSWORD}


def test_without_a_given_server_nothing_changes() -> None:
    assert databases.pipelines_steps(None) == databases.katib_steps(None) == ()


def test_a_given_server_has_the_usual_port_of_its_engine_unless_told() -> None:
    assert databases.external(GIVEN, 5432, PASSWORD).port == 5432
    given = ExternalServer(host="db", secret="key", user="ada", port=6000)
    assert databases.external(given, 5432, PASSWORD).port == 6000


def test_a_password_is_in_no_text_of_a_login() -> None:
    assert PASSWORD not in repr(databases.external(GIVEN, 5432, PASSWORD))


# Servers of the platform's own.


def _servers() -> list[Object]:
    made = feast_of()
    planned = [*feast.objects(made), *mlflow.objects(mlflow_of()), *mlflow.artifacts(mlflow_of(), Quantity("1Gi"))]
    return [item.body for item in planned]


def test_servers_of_the_platform_run_restricted_and_with_requests() -> None:
    deployments = [body for body in settled(_servers) if body["kind"] == "Deployment"]
    assert {body["metadata"]["name"] for body in deployments} == {"feast-postgres", "feast-redis", "mlflow-postgres"}
    for body in deployments:
        pod = body["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert pod["priorityClassName"] == "kubeflow-platform"
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert container["image"].rpartition(":")[2][0].isdigit()


def test_a_service_finds_exactly_the_pod_of_its_server() -> None:
    made = settled(_servers)
    services = {body["metadata"]["name"]: body for body in made if body["kind"] == "Service"}
    for body in made:
        if body["kind"] == "Deployment":
            service = services[body["metadata"]["name"]]
            assert service["spec"]["selector"] == body["spec"]["template"]["metadata"]["labels"]
            ports = body["spec"]["template"]["spec"]["containers"][0]["ports"]
            assert service["spec"]["ports"][0]["targetPort"] == ports[0]["name"]


def test_no_object_but_a_secret_holds_a_password() -> None:
    holders = {body["kind"] for body in settled(_servers) if PASSWORD in json.dumps(body)}
    assert holders == {"Secret"}


def test_secrets_of_servers_stay_secret_on_the_way() -> None:
    def secrets() -> list[Object]:
        return [body for body in _servers() if body["kind"] == "Secret"]

    assert hidden(lambda: [body["stringData"] for body in secrets()])
    assert not hidden(lambda: [body for body in _servers() if body["kind"] != "Secret"])


def test_every_secret_that_a_pod_reads_exists() -> None:
    made = settled(_servers)
    there = {(body["metadata"]["name"], key) for body in made if body["kind"] == "Secret" for key in body["stringData"]}
    asked = {
        (one["valueFrom"]["secretKeyRef"]["name"], one["valueFrom"]["secretKeyRef"]["key"])
        for body in [
            *made,
            *installed("feast-feature-server", (), "feast").values(),
            *settled(lambda: list(installed("mlflow", mlflow.steps(mlflow_of()), "mlflow").values())),
        ]
        if body["kind"] == "Deployment"
        for container in kinds.containers(body["spec"]["template"]["spec"])
        for one in container.get("env", ())
        if "secretKeyRef" in one.get("valueFrom", {})
    }
    assert asked - there == set()


# The object store.


@pytest.mark.parametrize(
    ("scheme", "key", "text"),
    [
        ("abfs", False, "no S3-compatible endpoint"),
        ("abfs", True, "no S3-compatible endpoint"),
        ("oss", False, "takes keys only"),
        ("gs", True, "workload identity only"),
        ("ftp", False, "nothing is known about it"),
    ],
)
def test_a_bucket_that_pipelines_cannot_use_is_refused_with_the_way_out(scheme: str, key: bool, text: str) -> None:  # noqa: FBT001 - a parameter of the test
    async def run() -> None:
        with pytest.raises(object_store.ObjectStoreError, match=text) as refused:
            object_store.store(Artifacts.BUCKET, bucket(scheme, key=key))
        assert "platform.data.pipelines.artifacts" in str(refused.value)
        assert "in-cluster" in str(refused.value)

    asyncio.run(run())


def test_a_bucket_where_the_cluster_has_none_is_refused() -> None:
    with pytest.raises(object_store.ObjectStoreError, match="has no artifacts bucket"):
        object_store.store(Artifacts.BUCKET, None)


def test_by_default_artifacts_stay_in_the_cluster_and_upstream_looks_after_tenants() -> None:
    assert object_store.store(Artifacts.IN_CLUSTER, None) is None
    assert list(object_store.tenant("team-a", None)) == []
    assert object_store.steps(None) == ()


@cache
def _tenant(scheme: str, *, key: bool = False) -> dict[str, Object]:
    def make() -> list[Object]:
        return list(object_store.tenant("team-a", object_store.store(Artifacts.BUCKET, bucket(scheme, key=key))))

    return {body["metadata"]["name"]: body for body in settled(make)}


@pytest.mark.parametrize(("scheme", "key", "root"), [("s3", False, "s3"), ("gs", False, "gs"), ("oss", True, "s3")])
def test_a_tenants_artifacts_are_below_its_own_prefix(scheme: str, key: bool, root: str) -> None:  # noqa: FBT001 - a parameter of the test
    made = _tenant(scheme, key=key)
    assert made["kfp-launcher"]["data"]["defaultPipelineRoot"].startswith(f"{root}://artifacts/tenants/team-a/")
    repository = json.loads(made["artifact-repositories"]["data"]["default-namespaced"])
    (where,) = [repository[kind] for kind in ("s3", "gcs") if kind in repository]
    assert where["bucket"] == "artifacts"
    assert where["keyFormat"].startswith("tenants/team-a/")
    (grant,) = object_store.tenant_grants("team-a")
    assert (grant.store, grant.prefix, grant.write) == (Store.ARTIFACTS, "tenants/team-a/", True)


def test_with_an_identity_a_tenant_gets_no_key() -> None:
    for scheme in ("s3", "gs"):
        assert object_store.KEY_SECRET not in _tenant(scheme)
        assert "Secret" not in json.dumps(_tenant(scheme))
    assert _tenant("s3")["kfp-launcher"]["data"]["defaultPipelineRoot"].endswith("?region=here-1")
    assert yaml.safe_load(_tenant("gs")["kfp-launcher"]["data"]["providers"]) == {
        "gs": {"default": {"credentials": {"fromEnv": True}}}
    }


def test_with_a_key_the_launcher_is_told_where_it_is_and_how_to_ask() -> None:
    made = _tenant("oss", key=True)
    default = yaml.safe_load(made["kfp-launcher"]["data"]["providers"])["s3"]["default"]
    assert default["forcePathStyle"] is False
    assert default["disableSSL"] is False
    reference = default["credentials"]["secretRef"]
    secret = made[reference["secretName"]]["stringData"]
    assert (secret[reference["accessKeyKey"]], secret[reference["secretKeyKey"]]) == ("id", "hush")


def test_the_key_of_a_bucket_stays_secret() -> None:
    assert hidden(lambda: dict(object_store.key_of(pulumi.Output.secret('{"accessKey": "a", "secretKey": "b"}'))))


def _pipelines(scheme: str, *, key: bool = False) -> dict[tuple[str, str], Object]:
    def make() -> list[Any]:
        steps = object_store.steps(object_store.store(Artifacts.BUCKET, bucket(scheme, key=key)))
        return list(installed("pipelines", steps).items())

    return {(key_[0], key_[1]): body for key_, body in settled(make)}


def test_the_api_server_keeps_its_own_files_in_a_bucket_that_it_can_open() -> None:
    made = _pipelines("s3")
    assert [name for _, name in made if "seaweedfs" in name] == []
    told = environment(made["Deployment", "ml-pipeline"])
    assert told["OBJECTSTORECONFIG_HOST"] == "store.example.test"
    assert told["OBJECTSTORECONFIG_SECURE"] == "true"
    assert told["OBJECTSTORECONFIG_REGION"] == "here-1"
    assert made["ConfigMap", "pipeline-install-config"]["data"]["bucketName"] == "artifacts"
    # Both empty makes it look for its identity; absent ones would fall back to upstream's published ones.
    assert made["Secret", object_store.KEY_SECRET]["stringData"] == {"accesskey": "", "secretkey": ""}


def test_the_api_server_keeps_its_own_files_in_the_cluster_where_it_cannot_open_the_bucket() -> None:
    made = _pipelines("gs")
    assert ("Deployment", "seaweedfs") in made
    assert environment(made["Deployment", "ml-pipeline"])["OBJECTSTORECONFIG_HOST"] == "seaweedfs.kubeflow"


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_with_a_bucket_nobody_mints_keys_and_the_almighty_metacontroller_is_gone(scheme: str) -> None:
    made = _pipelines(scheme)
    left = [f"{kind}/{name}" for kind, name in made if "metacontroller" in name or "profile-controller" in name]
    assert left == []
    admins = [
        name
        for (kind, name), body in made.items()
        if kind == "ClusterRoleBinding" and body["roleRef"]["name"] == "kubeflow-metacontroller"
    ]
    assert admins == []


def test_the_user_interface_may_only_read_what_tenants_have() -> None:
    async def run() -> None:
        grants = object_store.platform_grants(object_store.store(Artifacts.BUCKET, bucket("s3")))
        (interface,) = grants["kubeflow", "ml-pipeline-ui"]
        assert not interface.write
        written = [grant.prefix for grant in grants["kubeflow", "ml-pipeline"] if grant.write]
        assert written == ["pipelines/"]
        assert object_store.platform_grants(object_store.store(Artifacts.BUCKET, bucket("s3", key=True))) == {}

    asyncio.run(run())


# MLflow.


def mlflow_of(spec: MlflowSpec | None = None, store: Bucket | None = None, gateway: str | None = None) -> mlflow.Mlflow:
    chosen = spec or MlflowSpec()
    return mlflow.Mlflow(
        spec=chosen,
        login=mlflow.login_in_cluster(pulumi.Output.secret(PASSWORD), Quantity("1Gi")),
        bucket=mlflow.bucket_of(chosen, store),
        volume=Quantity("1Gi"),
        storage=STORAGE,
        hosts=mlflow.hosts(chosen, "10.244.0.0/16", ("kubeflow.example.test",)),
        gateway=gateway,
    )


def _mlflow(make: Callable[[], mlflow.Mlflow]) -> dict[tuple[str, str], Object]:
    made = settled(lambda: list(installed("mlflow", mlflow.steps(make()), "mlflow").items()))
    return {(key[0], key[1]): body for key, body in made}


def test_mlflow_has_a_database_and_a_volume_of_its_own() -> None:
    made = _mlflow(mlflow_of)
    config = made["ConfigMap", "mlflow-env-configmap"]["data"]
    assert config["PGHOST"] == "mlflow-postgres.mlflow.svc.cluster.local"
    server = made["Deployment", "mlflow"]
    pod = server["spec"]["template"]["spec"]
    assert "--artifacts-destination=/mlflow/artifacts" in pod["containers"][0]["args"]
    assert {"name": "artifacts", "mountPath": "/mlflow/artifacts"} in pod["containers"][0]["volumeMounts"]
    assert server["spec"]["strategy"] == {"type": "Recreate"}
    assert "minio" not in json.dumps(list(made.values()))
    assert "AWS_ACCESS_KEY_ID" not in environment(server)


def test_mlflow_can_write_where_the_chart_makes_it_write() -> None:
    (container,) = _mlflow(mlflow_of)["Deployment", "mlflow"]["spec"]["template"]["spec"]["containers"]
    (metrics,) = [text.partition("=")[2] for text in container["args"] if text.startswith("--expose-prometheus=")]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert metrics in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_mlflow_answers_to_its_own_names_and_to_nobody_elses() -> None:
    config = _mlflow(mlflow_of)["ConfigMap", "mlflow-env-configmap"]["data"]
    names = config["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"mlflow.mlflow.svc.cluster.local", "kubeflow.example.test", "10.244.*"} <= set(names)
    assert "*" not in names


@pytest.mark.parametrize(
    ("cidr", "pattern"), [("10.0.0.0/8", "10.*"), ("100.64.0.0/14", "100.*"), ("10.1.2.0/24", "10.1.2.*")]
)
def test_the_addresses_of_pods_are_named_as_narrowly_as_a_pattern_can(cidr: str, pattern: str) -> None:
    assert mlflow.hosts(MlflowSpec(), cidr, ())[-1] == pattern


def test_mlflow_keeps_artifacts_in_a_bucket_without_a_key_where_it_has_an_identity() -> None:
    spec = MlflowSpec(artifacts=Artifacts.BUCKET, replicas=3)
    server = _mlflow(lambda: mlflow_of(spec, bucket("s3")))["Deployment", "mlflow"]
    assert (
        "--artifacts-destination=s3://artifacts/mlflow/artifacts"
        in (server["spec"]["template"]["spec"]["containers"][0]["args"])
    )
    assert server["spec"]["replicas"] == 3
    assert {"AWS_ACCESS_KEY_ID", "MLFLOW_S3_ENDPOINT_URL"} & set(environment(server)) == set()

    async def grants() -> None:
        (grant,) = mlflow.grants(bucket("s3"))["mlflow", "mlflow"]
        assert grant.prefix == "mlflow/"
        assert list(mlflow.artifacts(mlflow_of(spec, bucket("s3")), Quantity("1Gi"))) == []

    asyncio.run(grants())


def test_mlflow_takes_a_key_from_a_secret_that_exists() -> None:
    spec = MlflowSpec(artifacts=Artifacts.BUCKET)
    made = _mlflow(lambda: mlflow_of(spec, bucket("s3", key=True)))
    told = environment(made["Deployment", "mlflow"])
    own = settled(lambda: [item.body for item in mlflow.objects(mlflow_of(spec, bucket("s3", key=True)))])
    secrets = {body["metadata"]["name"]: body["stringData"] for body in own if body["kind"] == "Secret"}
    reference = told["AWS_SECRET_ACCESS_KEY"]["secretKeyRef"]
    assert secrets[reference["name"]][reference["key"]] == "hush"
    assert told["MLFLOW_S3_ENDPOINT_URL"] == "https://store.example.test"


@pytest.mark.parametrize("scheme", ["abfs", "oss"])
def test_a_bucket_that_mlflow_cannot_use_is_refused_by_key(scheme: str) -> None:
    async def run() -> None:
        with pytest.raises(object_store.ObjectStoreError, match=r"platform\.data\.mlflow\.artifacts"):
            mlflow.bucket_of(MlflowSpec(artifacts=Artifacts.BUCKET), bucket(scheme, key=True))

    asyncio.run(run())


def test_several_servers_share_one_volume_of_the_shared_class() -> None:
    spec = MlflowSpec(replicas=2)
    (claim,) = settled(lambda: [item.body for item in mlflow.artifacts(mlflow_of(spec), Quantity("5Gi"))])
    assert (claim["spec"]["storageClassName"], claim["spec"]["accessModes"]) == ("files", ["ReadWriteMany"])


def test_people_reach_mlflow_at_the_gateway_only_where_there_is_one() -> None:
    def routes(gateway: str | None) -> list[Object]:
        made = [item.body for item in mlflow.objects(mlflow_of(gateway=gateway))]
        return [body for body in made if body["kind"] == "VirtualService"]

    (route,) = settled(lambda: routes("kubeflow/kubeflow-gateway"))
    assert route["spec"]["gateways"] == ["kubeflow/kubeflow-gateway"]
    assert route["spec"]["http"][0]["rewrite"] == {"uri": "/"}
    assert settled(lambda: routes(None)) == []


def test_mlflow_on_a_given_database_brings_none() -> None:
    made = settled(lambda: [item.body for item in mlflow.objects(mlflow_of(MlflowSpec(database=GIVEN)))])
    assert [body["kind"] for body in made] == ["Secret"]


# Feast.


def feast_of(spec: FeastSpec | None = None, password: str = PASSWORD) -> feast.Feast:
    volumes = Volumes()
    return feast.Feast(
        spec=spec or FeastSpec(),
        registry=feast.registry_in_cluster(pulumi.Output.secret(password), volumes),
        online=feast.online_in_cluster(pulumi.Output.secret(password), volumes),
        volumes=volumes,
        storage=STORAGE,
    )


def test_the_feature_store_refers_to_stores_that_exist() -> None:
    stores = settled(lambda: [item.body for item in feast.objects(feast_of())])
    secrets = {body["metadata"]["name"]: body["stringData"] for body in stores if body["kind"] == "Secret"}
    (made,) = settled(lambda: [item.body for item in feast.feature_store(feast_of())])
    services = made["spec"]["services"]
    for persistence in (services["onlineStore"]["persistence"], services["registry"]["local"]["persistence"]):
        kind = persistence["store"]["type"]
        assert kind in secrets[persistence["store"]["secretRef"]["name"]]
    online = yaml.safe_load(secrets["feast-data-stores"]["redis"])["connection_string"]
    assert online == f"feast-redis.feast.svc.cluster.local:6379,password={PASSWORD}"


def test_the_feature_store_is_of_the_version_and_fields_that_the_operator_stores() -> None:
    try:
        (rendered,) = load(table.CURRENT, ("feast-operator",)).components.values()
    except CacheMissingError as error:
        pytest.skip(f"upstream's objects are not at hand: {error}")
    (definition,) = [crd for crd in rendered.crds if crd["spec"]["names"]["kind"] == "FeatureStore"]
    (stored,) = [version for version in definition["spec"]["versions"] if version["storage"]]
    (made,) = settled(lambda: [item.body for item in feast.feature_store(feast_of())])
    assert made["apiVersion"] == f"feast.dev/{stored['name']}"
    assert _unknown(made["spec"], stored["schema"]["openAPIV3Schema"]["properties"]["spec"]) == []


def _unknown(value: Any, schema: Object, path: str = "spec") -> list[str]:  # noqa: ANN401 - any JSON value
    """Fields that the schema has not, and values that are none of its choices."""
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}={value}"]
    known = schema.get("properties")
    if not isinstance(value, dict) or known is None:
        return []
    return [
        line
        for key, part in value.items()  # pyright: ignore[reportUnknownVariableType]
        for line in ([f"{path}.{key}"] if key not in known else _unknown(part, known[key], f"{path}.{key}"))
    ]


def test_the_feature_server_serves_the_platforms_project() -> None:
    def make() -> Object:
        steps = feast.steps(feast_of(FeastSpec(project="rides")))
        return installed("feast-feature-server", steps, "feast")["Deployment", "feast-feature-server"]

    server = settled(make)
    told = environment(server)
    settings = yaml.safe_load(base64.b64decode(told["FEATURE_STORE_YAML_BASE64"]))
    assert settings["project"] == "rides"
    for variable in (settings["registry"]["path"], settings["online_store"]["connection_string"]):
        assert variable.strip("${}") in told


def test_a_password_with_signs_of_an_address_does_not_change_the_address() -> None:
    stores = settled(lambda: [item.body for item in feast.objects(feast_of(password="a@b/c:d"))])
    (registry_secret,) = [body for body in stores if body["metadata"]["name"] == "feast-registry"]
    url = registry_secret["stringData"]["url"]
    assert url.endswith("@feast-postgres.feast.svc.cluster.local:5432/feast")
    assert url.count("@") == 1


def test_feast_on_given_servers_brings_none() -> None:
    made = settled(lambda: [item.body for item in feast.objects(feast_of(FeastSpec(registry=GIVEN, online=GIVEN)))])
    assert {body["kind"] for body in made} == {"Secret"}


# Model registries.


def test_each_team_has_a_registry_with_a_password_of_its_own() -> None:
    passwords = {"team-a": "one", "team-b": "two"}
    spec = RegistrySpec(tenants=("team-a", "team-b"))
    assert registry.namespaces("model-registry", None, spec) == ("team-a", "team-b")
    assert registry.namespaces("mlflow", "mlflow", spec) == ("mlflow",)
    for namespace, password in passwords.items():
        made = installed("model-registry", registry.steps(passwords), namespace)
        assert {body["metadata"]["namespace"] for body in made.values()} == {namespace}
        secret = made["Secret", "model-registry-db-secrets"]
        assert secret["stringData"]["MYSQL_ROOT_PASSWORD"] == password
        assert "data" not in secret
        assert "ALLOW_EMPTY_PASSWORD" not in json.dumps(list(made.values()))


@pytest.mark.parametrize(
    ("tenants", "components", "text"),
    [
        (("nobody",), ("model-registry",), "found nobody; allowed: team-a"),
        (("team-a",), (), "not among platform.components"),
        ((), ("model-registry",), "at least one tenant"),
    ],
)
def test_a_registry_that_nobody_could_use_is_refused(
    tenants: tuple[str, ...], components: tuple[str, ...], text: str
) -> None:
    (problem,) = registry.problems(RegistrySpec(tenants=tenants), components, ("team-a",))
    assert problem.startswith("platform.data.registry.tenants")
    assert text in problem


def test_a_tenant_is_named_once() -> None:
    with pytest.raises(ValueError, match="team-a twice"):
        RegistrySpec(tenants=("team-a", "team-a"))


# The platform's own workloads as principals of the environment.


def test_only_what_needs_a_bucket_becomes_a_principal_and_no_two_write_the_same_place() -> None:
    async def run() -> None:
        store = object_store.store(Artifacts.BUCKET, bucket("s3"))
        found = identity.accounts(store, bucket("s3"))
        assert set(found) == {("kubeflow", "ml-pipeline"), ("kubeflow", "ml-pipeline-ui"), ("mlflow", "mlflow")}
        written = [grant.prefix for grants in found.values() for grant in grants if grant.write]
        assert sorted(written) == ["mlflow/", "pipelines/"]
        assert all(prefix.endswith("/") for prefix in written)
        assert not any(prefix.startswith("tenants/") for prefix in written)
        assert identity.accounts(None, None) == {}

    asyncio.run(run())


def test_a_principal_is_written_on_its_service_account_and_its_pods_alone() -> None:
    def make() -> list[Any]:
        binding = Binding(annotations={"role": pulumi.Output.from_input("it")}, pod_labels={"principal": "true"})
        steps = identity.steps({("kubeflow", "ml-pipeline"): binding})
        return list(installed("pipelines", steps).items())

    made = {(key[0], key[1]): body for key, body in settled(make)}
    annotated = [name for (_, name), body in made.items() if body["metadata"].get("annotations", {}).get("role")]
    assert annotated == ["ml-pipeline"]
    assert ("ServiceAccount", "ml-pipeline") in made
    labelled = [
        (kind, name)
        for (kind, name), body in made.items()
        if kinds.pod_spec(body) is not None and "principal" in body["spec"]["template"]["metadata"]["labels"]
    ]
    assert labelled == [("Deployment", "ml-pipeline")]
    assert "principal" not in made["Deployment", "ml-pipeline"]["spec"]["selector"]["matchLabels"]


def with_credentials() -> Binding:
    text = pulumi.Output.from_input('{"file": "token"}')
    return Binding(credentials=text, audience="the-exchange", variable="CREDENTIALS")


def test_a_principal_with_credentials_finds_text_and_token_where_the_contract_says() -> None:
    def make() -> list[Any]:
        steps = identity.steps({("kubeflow", "ml-pipeline"): with_credentials()})
        return list(installed("pipelines", steps).items())

    made = {(key[0], key[1]): body for key, body in settled(make)}
    templates = {key: body["spec"]["template"] for key, body in made.items() if kinds.pod_spec(body) is not None}
    mounted = {
        key: template
        for key, template in templates.items()
        if any(volume["name"] == "workload-identity" for volume in template["spec"].get("volumes", ()))
    }
    assert list(mounted) == [("Deployment", "ml-pipeline")]
    template = mounted["Deployment", "ml-pipeline"]
    (volume,) = (item for item in template["spec"]["volumes"] if item["name"] == "workload-identity")
    for container in kinds.containers(template["spec"]):
        (mount,) = (item for item in container["volumeMounts"] if item["name"] == "workload-identity")
        files = {f"{mount['mountPath']}/{path}": found for path, found in files_of(volume, template).items()}
        assert files == {CREDENTIALS_FILE: '{"file": "token"}', TOKEN_FILE: "a token for the-exchange"}
        assert mount["readOnly"]
        assert {item["name"]: item.get("value") for item in container["env"]}["CREDENTIALS"] == CREDENTIALS_FILE


def files_of(volume: Object, template: Object) -> dict[str, str]:
    """What kubelet would write into a projected volume."""
    files: dict[str, str] = {}
    for source in volume["projected"]["sources"]:
        for item in source.get("downwardAPI", {}).get("items", ()):
            key = item["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
            files[item["path"]] = template["metadata"]["annotations"][key]
        if token := source.get("serviceAccountToken"):
            files[token["path"]] = f"a token for {token['audience']}"
    return files


def test_a_job_of_a_principal_carries_its_labels_too() -> None:
    """A CronJob has its pods one level further inside."""
    spec = {"serviceAccountName": "robot", "containers": [{"name": "main"}]}
    body: Object = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "it", "namespace": "home"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}},
    }
    (step,) = identity.steps({("home", "robot"): Binding(pod_labels={"principal": "true"})})
    made = step.apply(body, Context(namespace=None, webhooks=True, containers=True, cluster_scoped=frozenset()))
    assert made is not None
    assert made["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] == {"principal": "true"}


def test_without_principals_nothing_changes() -> None:
    assert identity.steps({}) == ()
