import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Authority, type Certificate, createAuthority } from "./certificates.ts";

/** Everything that the parts of one control plane show each other, made afresh in a folder. */
export interface Credentials {
  /** Signs users and the control plane's servers. */
  readonly authority: Authority;
  readonly etcdAuthority: Authority;
  readonly frontProxyAuthority: Authority;
  /** For every server but etcd. */
  readonly serving: Certificate;
  /** Server and client at once: of etcd, its peers and the API server towards it. */
  readonly etcd: Certificate;
  readonly frontProxy: Certificate;
  /** The API server towards kubelets. */
  readonly kubeletClient: Certificate;
  /** Signs and checks service account tokens. */
  readonly serviceAccounts: { readonly publicKey: string; readonly privateKey: string };
  readonly admin: Certificate;
  /** Writes a kubeconfig for a user with a client certificate of that name; the file needs no other. */
  kubeconfig(user: string, groups?: readonly string[]): string;
}

/** The name that the administrator's certificate carries. */
export const adminUser = "kubernetes-admin";

export function createCredentials(dir: string, url: string): Credentials {
  const pki = join(dir, "pki");
  mkdirSync(pki, { recursive: true, mode: 0o700 });
  const loopback = ["IP:127.0.0.1", "DNS:localhost"];
  const service = ["IP:10.96.0.1", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc"];
  const admins = ["system:masters"];

  const authority = createAuthority(pki, "kubernetes-ca");
  const etcdAuthority = createAuthority(pki, "etcd-ca");
  const frontProxyAuthority = createAuthority(pki, "front-proxy-ca");
  const admin = authority.issue({ name: "admin", commonName: adminUser, organizations: admins });

  let users = 0;
  return {
    authority,
    etcdAuthority,
    frontProxyAuthority,
    admin,
    serving: authority.issue({
      name: "serving",
      commonName: "kube-apiserver",
      hosts: [...loopback, ...service],
    }),
    etcd: etcdAuthority.issue({ name: "etcd", commonName: "etcd", hosts: loopback }),
    frontProxy: frontProxyAuthority.issue({ name: "front-proxy", commonName: "front-proxy-client" }),
    kubeletClient: authority.issue({
      name: "kubelet-client",
      commonName: "kube-apiserver-kubelet-client",
      organizations: admins,
    }),
    serviceAccounts: serviceAccountKeys(pki),
    kubeconfig(user, groups = []) {
      users += 1;
      const identity =
        user === adminUser
          ? admin
          : authority.issue({ name: `user-${users}`, commonName: user, organizations: groups });
      const file = join(dir, `${users}-${user.replaceAll(/[^\w.-]/g, "-")}.kubeconfig`);
      writeFileSync(file, kubeconfigFile(url, authority, user, identity), { mode: 0o600 });
      return file;
    },
  };
}

function serviceAccountKeys(pki: string): Credentials["serviceAccounts"] {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const files = { publicKey: join(pki, "service-accounts.pub"), privateKey: join(pki, "service-accounts.key") };
  writeFileSync(files.publicKey, publicKey);
  writeFileSync(files.privateKey, privateKey, { mode: 0o600 });
  return files;
}

/** JSON, which every reader of kubeconfigs takes for the YAML it is. */
function kubeconfigFile(url: string, authority: Authority, user: string, identity: Certificate): string {
  const base64 = (file: string) => readFileSync(file).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": base64(authority.cert) } }],
    contexts: [{ name: "test", context: { cluster: "test", user } }],
    users: [
      {
        name: user,
        user: { "client-certificate-data": base64(identity.cert), "client-key-data": base64(identity.key) },
      },
    ],
  });
}
