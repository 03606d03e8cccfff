import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { freePorts, type Program, ready, startProgram } from "../programs/process.ts";
import type { Authority, Certificate } from "./certificates.ts";
import type { Command, Commands } from "./commands.ts";
import { adminUser, createCredentials } from "./credentials.ts";
import { kwokArguments, registerNodes } from "./nodes.ts";

/** What a control plane is made of. */
export const controlPlaneCommands = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
] as const satisfies readonly Command[];

type ControlPlaneCommand = (typeof controlPlaneCommands)[number];

export interface ControlPlane {
  readonly url: string;
  /**
   * Writes a kubeconfig and returns its path. Without a name it is the administrator's (`system:masters`); any other
   * user may do what RBAC gives to that name and these groups.
   */
  kubeconfig(user?: string, groups?: readonly string[]): string;
  /** Stops every process, the API server's clients first, and resolves when none is left. */
  stop(): Promise<void>;
}

export interface ControlPlaneStart {
  /** Empty folder for certificates, data and logs. It stays after `stop`, for whoever made it. */
  dir: string;
  commands: Commands<ControlPlaneCommand>;
  /** How many nodes kwok plays. */
  nodes?: number;
}

/**
 * A real Kubernetes control plane on loopback: etcd, API server, controller manager and scheduler, TLS everywhere, RBAC
 * on, the default admission plugins; and kwok, which plays the kubelets as kwok.yaml says.
 *
 * What differs from a cluster that people use: etcd does not sync to disk, and the API server does not publish its
 * address in the `kubernetes` Endpoints, where loopback is not allowed.
 * @throws when a program does not become ready, with the end of its log; nothing is left running then.
 */
export async function startControlPlane({ dir, commands, nodes = 3 }: ControlPlaneStart): Promise<ControlPlane> {
  const port = await freePorts(["etcd", "peer", "api", "manager", "scheduler", "kubelet"]);
  const url = `https://127.0.0.1:${port.api}`;
  const etcdUrl = `https://127.0.0.1:${port.etcd}`;
  const peerUrl = `https://127.0.0.1:${port.peer}`;
  const own = createCredentials(dir, url);
  const admin = own.kubeconfig(adminUser);
  const serving = [`--tls-cert-file=${own.serving.cert}`, `--tls-private-key-file=${own.serving.key}`];

  const programs: Program[] = [];
  const start = async (name: ControlPlaneCommand, args: readonly string[]) => {
    const program = await startProgram({ name, file: commands[name], args, dir });
    programs.push(program);
    return program;
  };
  const stop = async () => {
    for (const program of programs.toReversed()) await program.stop();
  };

  try {
    const etcd = await start("etcd", [
      "--name=etcd",
      `--data-dir=${join(dir, "etcd")}`,
      "--unsafe-no-fsync",
      ...[`--listen-client-urls=${etcdUrl}`, `--advertise-client-urls=${etcdUrl}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      `--initial-cluster=etcd=${peerUrl}`,
      ...["--client-cert-auth", `--trusted-ca-file=${own.etcdAuthority.cert}`],
      ...[`--cert-file=${own.etcd.cert}`, `--key-file=${own.etcd.key}`],
      ...["--peer-client-cert-auth", `--peer-trusted-ca-file=${own.etcdAuthority.cert}`],
      ...[`--peer-cert-file=${own.etcd.cert}`, `--peer-key-file=${own.etcd.key}`],
    ]);
    await ready(etcd, () => answersOk(`${etcdUrl}/health`, own.etcd, own.etcdAuthority));

    const apiserver = await start("kube-apiserver", [
      ...["--bind-address=127.0.0.1", `--secure-port=${port.api}`, "--endpoint-reconciler-type=none", ...serving],
      ...[`--etcd-servers=${etcdUrl}`, `--etcd-cafile=${own.etcdAuthority.cert}`],
      ...[`--etcd-certfile=${own.etcd.cert}`, `--etcd-keyfile=${own.etcd.key}`],
      `--client-ca-file=${own.authority.cert}`,
      "--authorization-mode=Node,RBAC",
      "--service-cluster-ip-range=10.96.0.0/16",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${own.serviceAccounts.publicKey}`,
      `--service-account-signing-key-file=${own.serviceAccounts.privateKey}`,
      `--requestheader-client-ca-file=${own.frontProxyAuthority.cert}`,
      "--requestheader-allowed-names=front-proxy-client",
      "--requestheader-username-headers=X-Remote-User",
      "--requestheader-group-headers=X-Remote-Group",
      "--requestheader-extra-headers-prefix=X-Remote-Extra-",
      ...[`--proxy-client-cert-file=${own.frontProxy.cert}`, `--proxy-client-key-file=${own.frontProxy.key}`],
      ...[`--kubelet-client-certificate=${own.kubeletClient.cert}`, `--kubelet-client-key=${own.kubeletClient.key}`],
      ...[`--kubelet-certificate-authority=${own.authority.cert}`, "--kubelet-preferred-address-types=InternalIP"],
    ]);
    await ready(apiserver, () => answersOk(`${url}/readyz`, own.admin, own.authority));

    const manager = await start("kube-controller-manager", [
      ...["--bind-address=127.0.0.1", `--secure-port=${port.manager}`, ...serving],
      ...[`--kubeconfig=${own.kubeconfig("system:kube-controller-manager")}`, "--leader-elect=false"],
      "--use-service-account-credentials",
      `--service-account-private-key-file=${own.serviceAccounts.privateKey}`,
      `--root-ca-file=${own.authority.cert}`,
      ...[`--cluster-signing-cert-file=${own.authority.cert}`, `--cluster-signing-key-file=${own.authority.key}`],
    ]);
    const scheduler = await start("kube-scheduler", [
      ...["--bind-address=127.0.0.1", `--secure-port=${port.scheduler}`, ...serving],
      ...[`--kubeconfig=${own.kubeconfig("system:kube-scheduler")}`, "--leader-elect=false"],
    ]);
    await start("kwok", kwokArguments({ dir, kubeconfig: admin, port: port.kubelet, serving: own.serving }));
    await ready(manager, () => answersOk(`https://127.0.0.1:${port.manager}/healthz`, own.admin, own.authority));
    await ready(scheduler, () => answersOk(`https://127.0.0.1:${port.scheduler}/healthz`, own.admin, own.authority));
    await registerNodes(admin, nodes, port.kubelet);
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    url,
    kubeconfig: (user, groups) => (user === undefined ? admin : own.kubeconfig(user, groups)),
    stop,
  };
}

function answersOk(url: string, identity: Certificate, authority: Authority): Promise<boolean> {
  return new Promise((resolve) => {
    const files = {
      cert: readFileSync(identity.cert),
      key: readFileSync(identity.key),
      ca: readFileSync(authority.cert),
    };
    const call = request(url, { ...files, agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.once("timeout", () => call.destroy());
    call.once("error", () => resolve(false));
    call.end();
  });
}
