/**
 * Steward on a real control plane, with no more rights than its tools and actions declare: its own account may hold a Lease,
 * write its setup Secret and impersonate two users, who may do what the declarations say and nothing else.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { stringify } from "yaml";
import { actions } from "../../bot/actions/index.ts";
import { createClock } from "../../bot/adapters/clock.ts";
import { createLog } from "../../bot/adapters/log.ts";
import { type App, createApp } from "../../bot/app.ts";
import { loadConfig } from "../../bot/config.ts";
import { toolRules } from "../../bot/tools/index.ts";
import { ApprovalAnswer } from "../../shared/api/approval.ts";
import type { CardEvent } from "../../shared/api/card.ts";
import { IncidentDetail, IncidentList } from "../../shared/api/incident.ts";
import { field, kinds, listField, pathOf } from "../../shared/kube.ts";
import { type ApiClient, createApiClient } from "../api-client.ts";
import { type CardStream, readCards } from "../card-stream.ts";
import { deployment, missingImage, otherImage } from "../contracts/drafts.ts";
import { createGround, type Draft, type Ground } from "../contracts/ground.ts";
import { type FiredAlert, webhookBody } from "../payloads.ts";
import { until } from "../until.ts";

const rbac = "rbac.authorization.k8s.io";
const token = "webhook-token";
const password = "correct horse battery";

describe("Steward on a real control plane, with the rights it declares", () => {
  const kubeconfig = process.env["STEWARD_CONTRACT_KUBECONFIG"];
  assert.ok(kubeconfig, "STEWARD_CONTRACT_KUBECONFIG names no cluster");
  let ground: Ground;
  let folder: string;
  let own: string;
  let payment: string;
  let closed: string;
  let app: App;
  let api: ApiClient;
  let stream: CardStream;
  const cards: CardEvent[] = [];
  const lines: string[] = [];
  const clusterRoles: string[] = [];

  before(async () => {
    ground = createGround(kubeconfig, `steward-${process.pid}`);
    folder = mkdtempSync(join(tmpdir(), "steward-real-"));
    own = await ground.namespace("own");
    payment = await ground.namespace("payment", { env: "dev" });
    closed = await ground.namespace("closed");
    await ground.create(own, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "steward-setup" },
    });
    const people = { read: `steward-read-${own}`, act: `steward-act-${own}` };
    await grant(people);
    await ground.create(
      payment,
      deployment("checkout", { replicas: 2, progressDeadlineSeconds: 60 }),
      deployment(
        "hungry",
        { replicas: 1 },
        {
          container: { resources: { limits: { memory: "512Mi" } } },
          annotations: { "test.steward.io/fate": "oom" },
        },
      ),
    );
    await ground.create(closed, deployment("web", { replicas: 1 }));
    await ground.settled(
      "checkout is available",
      kinds.deployment,
      payment,
      "checkout",
      (o) => field(o, "status", "availableReplicas") === 2,
    );

    const config = join(folder, "steward.yaml");
    writeFileSync(config, stringify(await configuration(people)));
    const log = createLog({ to: { write: (line: string) => void lines.push(line) } });
    const clock = createClock((error) => log.error("periodic work failed", { error }));
    const env = { STEWARD_NAMESPACE: own };
    const read = (path: string) => readFileSync(path, "utf8");
    app = createApp(loadConfig({ argvPath: config, env, cwd: folder, readFile: read }), { clock, log, env });
    const { port } = await app.start();
    api = createApiClient(`http://127.0.0.1:${port}`, 30_000);
    const setup = await api.setup(await setupToken(), "ada", password);
    assert.equal(setup.status, 200, JSON.stringify(setup.body));
    stream = await readCards(api, (event) => cards.push(event));
  });
  after(async () => {
    await stop();
    for (const name of clusterRoles) {
      for (const plural of ["clusterroles", "clusterrolebindings"]) {
        await ground.raw({ method: "DELETE", path: `/apis/${rbac}/v1/${plural}/${name}` });
      }
    }
    await ground.clear();
    rmSync(folder, { recursive: true, force: true });
  });

  let stopped: Promise<void> | null = null;
  function stop(): Promise<void> {
    stream.close();
    stopped ??= app.stop(5_000);
    return stopped;
  }

  /** The rights as a chart would give them: generated from the declarations, acting only in one namespace. */
  async function grant(people: { read: string; act: string }): Promise<void> {
    const account = { kind: "ServiceAccount", name: "default", namespace: own };
    const user = (name: string) => ({ apiGroup: rbac, kind: "User", name });
    const clusterRole = (name: string, rules: readonly object[]): Draft => {
      clusterRoles.push(name);
      return { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata: { name }, rules };
    };
    const roleRef = (name: string, kind = "ClusterRole") => ({ apiGroup: rbac, kind, name });
    const everywhere = (name: string, subject: object): Draft => ({
      apiVersion: `${rbac}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: roleRef(name),
      subjects: [subject],
    });
    const declared = Object.values(actions).map((action) => action.rbac);
    await ground.create(
      null,
      clusterRole(people.read, [...toolRules(), ...declared.flatMap(({ read }) => read)]),
      everywhere(people.read, user(people.read)),
      clusterRole(
        people.act,
        declared.flatMap(({ act }) => act),
      ),
      clusterRole(`${own}-impersonate`, [
        { apiGroups: [""], resources: ["users"], verbs: ["impersonate"], resourceNames: Object.values(people) },
      ]),
      everywhere(`${own}-impersonate`, account),
    );
    await ground.create(payment, {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: { name: "steward-act" },
      roleRef: roleRef(people.act),
      subjects: [user(people.act)],
    });
    await ground.create(
      own,
      {
        apiVersion: `${rbac}/v1`,
        kind: "Role",
        metadata: { name: "steward" },
        rules: [
          { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "update"] },
          { apiGroups: [""], resources: ["secrets"], resourceNames: ["steward-setup"], verbs: ["patch"] },
        ],
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: "RoleBinding",
        metadata: { name: "steward" },
        roleRef: roleRef("steward", "Role"),
        subjects: [account],
      },
    );
  }

  async function configuration(identities: { read: string; act: string }): Promise<object> {
    const issued = await ground.raw({
      method: "POST",
      path: `/api/v1/namespaces/${own}/serviceaccounts/default/token`,
      body: { spec: { expirationSeconds: 3600 } },
    });
    const admin = JSON.parse(readFileSync(kubeconfig ?? "", "utf8")) as { clusters: unknown };
    const file = join(folder, "kubeconfig");
    const pod = { name: "pod", user: { token: field(issued.body, "status", "token") } };
    const cluster = field(admin.clusters, 0, "name");
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "pod",
        clusters: admin.clusters,
        contexts: [{ name: "pod", context: { cluster, user: "pod" } }],
        users: [pod],
      }),
      { mode: 0o600 },
    );
    mkdirSync(join(folder, "data"));
    return {
      cluster: { name: "real", kubeconfig: file, identities },
      locale: "en",
      data: join(folder, "data"),
      http: { host: "127.0.0.1", port: 0 },
      webhook: { bearerToken: token },
      verify: { settle: "2s", timeout: "60s" },
      audit: { checkpoints: { stdout: false } },
    };
  }

  /** The token is where an administrator finds it: in the Secret. */
  async function setupToken(): Promise<string> {
    const encoded = await until("the setup token is in its Secret", async () => {
      const { body } = await ground.raw({ method: "GET", path: pathOf(kinds.secret, own, "steward-setup") });
      return field(body, "data", "token");
    });
    return Buffer.from(String(encoded), "base64").toString();
  }

  async function fire(alerts: readonly FiredAlert[], groupKey: string): Promise<string> {
    const answer = await api.post("/api/v1/webhook/alertmanager", webhookBody(alerts, groupKey), {
      authorization: `Bearer ${token}`,
    });
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    return String(answer.body["receipt"]);
  }
  async function incidentOf(receipt: string) {
    const found = await until("an incident", async () => {
      const { body } = await api.get(`/api/v1/incidents?receipt=${receipt}`);
      return IncidentList.parse(body).items[0];
    });
    return found.id;
  }
  const incident = async (id: string) => IncidentDetail.parse((await api.get(`/api/v1/incidents/${id}`)).body);
  const approval = async (code: string) => ApprovalAnswer.parse((await api.get(`/api/v1/approvals/${code}`)).body);
  const approvalIn = (code: string, ...states: readonly string[]) => {
    let last = "";
    return until(
      `${code} is ${states.join(" or ")}`,
      async () => {
        const found = await approval(code);
        last = `${found.state}: ${found.reason} ${JSON.stringify(found.verification)}`;
        return states.includes(found.state) ? found : null;
      },
      90_000,
    ).catch((error: unknown) => assert.fail(`${String(error)}; it is ${last}`));
  };
  const wish = async (kubectl: string) => {
    const { status, body } = await api.post("/api/v1/proposals", { kubectl });
    assert.equal(status, 201, JSON.stringify(body));
    return ApprovalAnswer.parse(body);
  };
  const approve = async (code: string) => {
    const { status, body } = await api.post(`/api/v1/approvals/${code}/approve`);
    assert.equal(status, 200, JSON.stringify(body));
  };
  const checkout = () => ground.get(kinds.deployment, payment, "checkout");
  const imageOf = async () => field(await checkout(), "spec", "template", "spec", "containers", 0, "image");
  const podOf = async (app: string, of: (pod: object) => boolean = () => true) => {
    const { items } = await ground.cluster.read.list({
      type: kinds.pod,
      namespace: payment,
      labelSelector: `app=${app}`,
    });
    return items.find(of)?.metadata.name;
  };

  test("an alert becomes an incident with a card, a remedy, one approval, a verified change and a proof", async () => {
    const before = await imageOf();
    const path = pathOf(kinds.deployment, payment, "checkout");
    const image = { spec: { template: { spec: { containers: [{ name: "main", image: missingImage }] } } } };
    await ground.patch("strategic", path, image);
    const pod = await until("a pod that cannot start", () =>
      podOf("checkout", (one) => JSON.stringify(one).includes("ImagePullBackOff")),
    );
    const alert = {
      alertname: "KubePodNotReady",
      labels: { namespace: payment, pod, severity: "warning" },
      startsAt: new Date(),
    };
    const id = await incidentOf(await fire([alert], "group-1"));
    const found = await until(
      "a remedy",
      async () => {
        const now = await incident(id);
        return now.approvals.length > 0 ? now : null;
      },
      30_000,
    ).catch(async (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(await incident(id))}`));
    assert.equal(found.target, "deployment/checkout");
    assert.equal(found.diagnosis?.by, "rules");
    assert.deepEqual(found.diagnosis?.unseen, [], "every look was allowed");
    const [code = ""] = found.approvals;
    const offered = await approval(code);
    assert.equal(offered.kubectl, `kubectl rollout undo deployment/checkout --to-revision=1 -n ${payment}`);
    assert.match(offered.diff, new RegExp(`^-.*${missingImage}$`, "m"));
    await approve(code);
    const done = await approvalIn(code, "succeeded", "failed", "unverified", "refused");
    assert.equal(done.state, "succeeded", JSON.stringify(done.verification));
    assert.equal(await imageOf(), before);
    const object = await checkout();
    assert.equal(object.metadata.annotations?.["deployment.kubernetes.io/revision"], "3");
    assert.equal(object.metadata.annotations?.["steward.io/op"], done.execution?.op);
    const managers = listField(object, "metadata", "managedFields").map((entry) => field(entry, "manager"));
    assert.ok(managers.includes("steward"), managers.join());

    await fire([{ ...alert, resolvedAt: new Date() }], "group-1");
    await until("it is resolved", async () => (await incident(id)).state === "resolved");
    const own = cards.filter(({ incidentId }) => incidentId === id);
    assert.equal(new Set(own.map(({ cardId }) => cardId)).size, 1, "one card");
    await until("the card says so", () => JSON.stringify(cards.at(-1)?.card).includes("esolved"));
  });

  test("a person's wish is shown, approved, verified and undone", async () => {
    const asked = await wish(`kubectl scale deployment/checkout --replicas=3 -n ${payment}`);
    assert.equal(asked.state, "pending", asked.reason ?? "");
    await approve(asked.code);
    assert.equal((await approvalIn(asked.code, "succeeded", "failed")).state, "succeeded");
    assert.equal(field(await checkout(), "status", "availableReplicas"), 3);
    const { status, body } = await api.post(`/api/v1/approvals/${asked.code}/undo`);
    assert.equal(status, 201, JSON.stringify(body));
    const undo = ApprovalAnswer.parse(body);
    if (undo.state === "pending") await approve(undo.code);
    await approvalIn(undo.code, "succeeded");
    await approvalIn(asked.code, "undone");
    assert.equal(field(await checkout(), "spec", "replicas"), 2);
  });

  test("every kind of action runs with the rights that it declares", async () => {
    const line = `-n ${payment}`;
    const pod = await podOf("checkout");
    for (const kubectl of [
      `kubectl rollout restart deployment/checkout ${line}`,
      `kubectl set resources deployment/checkout -c main --limits=memory=64Mi ${line}`,
      `kubectl set image deployment/checkout main=${otherImage} ${line}`,
      `kubectl rollout undo deployment/checkout ${line}`,
    ]) {
      const asked = await wish(kubectl);
      assert.equal(asked.state, "pending", asked.reason ?? "");
      await approve(asked.code);
      const done = await approvalIn(asked.code, "succeeded", "failed", "unverified", "refused", "stale");
      assert.equal(done.state, "succeeded", `${kubectl}: ${done.reason}`);
    }
    const last = await podOf("checkout");
    assert.notEqual(last, pod);
    const deletion = await wish(`kubectl delete pod ${last} ${line}`);
    await approve(deletion.code);
    const done = await approvalIn(deletion.code, "succeeded", "failed", "unverified", "refused");
    assert.equal(done.state, "succeeded", done.reason ?? "");
    assert.equal(await ground.cluster.read.get({ type: kinds.pod, namespace: payment, name: last ?? "" }), null);
  });

  test("an OOM kill is recognised; a remedy that does not help fails early, and offers the way back", async () => {
    const pod = await until("an OOM kill", () => podOf("hungry", (one) => JSON.stringify(one).includes("OOMKilled")));
    const alert = { alertname: "KubePodCrashLooping", labels: { namespace: payment, pod, container: "main" } };
    const id = await incidentOf(await fire([{ ...alert, startsAt: new Date() }], "group-2"));
    const found = await until(
      "a remedy",
      async () => {
        const now = await incident(id);
        return now.approvals.length > 0 ? now : null;
      },
      30_000,
    );
    assert.match(found.diagnosis?.conclusion ?? "", /memory|OOM/i);
    const [code = ""] = found.approvals;
    const offered = await approval(code);
    assert.equal(offered.kubectl, `kubectl set resources deployment/hungry -c main --limits=memory=1Gi -n ${payment}`);
    await approve(code);
    const failed = await approvalIn(code, "failed", "succeeded", "unverified");
    assert.equal(failed.state, "failed");
    assert.match(failed.reason ?? "", /CrashLoopBackOff/);
    const { status, body } = await api.post(`/api/v1/approvals/${code}/undo`);
    assert.equal(status, 201, JSON.stringify(body));
  });

  test("where the acting user has no right, the server's own words stand on a refused card", async () => {
    const refused = await wish(`kubectl rollout restart deployment/web -n ${closed}`);
    assert.equal(refused.state, "refused");
    assert.match(refused.reason ?? "", /cannot patch resource "deployments" in API group "apps"/);
    const { status } = await api.post(`/api/v1/approvals/${refused.code}/approve`);
    assert.equal(status, 409);
  });

  test("what changed after it was shown is not run", async () => {
    const asked = await wish(`kubectl scale deployment/checkout --replicas=4 -n ${payment}`);
    await ground.patch("merge", pathOf(kinds.deployment, payment, "checkout", "scale"), { spec: { replicas: 1 } });
    await api.post(`/api/v1/approvals/${asked.code}/approve`);
    const stale = await approvalIn(asked.code, "stale", "succeeded", "failed", "refused");
    assert.equal(stale.state, "stale");
    assert.equal(field(await checkout(), "spec", "replicas"), 1);
  });

  test("the audit holds all of it, and verifies", async () => {
    const verified = await api.get("/api/v1/audit/verify");
    assert.equal(verified.body["ok"], true, JSON.stringify(verified.body));
    const records = await api.all("/api/v1/audit?limit=100");
    const verbs = new Set(records.map((record) => String(record["action_type"])));
    for (const verb of [
      "incident_open",
      "propose_rollback",
      "approve_rollback",
      "execute_rollback",
      "verify_rollback",
      "execute_scale",
      "execute_restart",
      "execute_setResources",
      "execute_setImage",
      "execute_delete",
    ]) {
      assert.ok(verbs.has(verb), `${verb} among ${[...verbs].join()}`);
    }
  });

  test("nothing that Steward tried to read was forbidden to it", () => {
    const forbidden = lines.filter((line) => /forbidden|cannot (get|list|watch|patch)/.test(line));
    assert.deepEqual(
      forbidden.filter((line) => !line.includes(closed)),
      [],
    );
  });

  test("the Lease is held while it runs, and given back when it stops", async () => {
    const holder = async () => field(await ground.cluster.self.readLease(own, "steward"), "spec", "holderIdentity");
    assert.ok(String(await holder()).length > 0);
    assert.equal((await api.get("/readyz")).status, 200);
    await stop();
    assert.ok(!(await holder()), "nobody holds it");
  });
});
