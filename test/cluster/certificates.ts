import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Paths of one PEM certificate and its key. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  /** File name without suffix, unique in the folder. */
  name: string;
  commonName: string;
  /** Kubernetes reads organizations as groups. */
  organizations?: readonly string[];
  /** Subject alternative names as openssl writes them: `IP:127.0.0.1`, `DNS:localhost`. */
  hosts?: readonly string[];
}

export interface Authority extends Certificate {
  issue(request: CertificateRequest): Certificate;
}

const days = "2";

/** Makes a certificate authority in `dir` with the `openssl` command (OpenSSL or LibreSSL), valid for two days. */
export function createAuthority(dir: string, name: string): Authority {
  const own = paths(dir, name);
  request(dir, name, `/CN=${name}`);
  sign(dir, name, ["-signkey", own.key], ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]);

  return {
    ...own,
    issue({ name: leaf, commonName, organizations = [], hosts = [] }) {
      const subject = [...organizations.map((group) => `/O=${literal(group)}`), `/CN=${literal(commonName)}`];
      request(dir, leaf, subject.join(""));
      sign(
        dir,
        leaf,
        ["-CA", own.cert, "-CAkey", own.key],
        [
          "basicConstraints=critical,CA:FALSE",
          "keyUsage=critical,digitalSignature",
          "extendedKeyUsage=serverAuth,clientAuth",
          ...(hosts.length > 0 ? [`subjectAltName=${hosts.join(",")}`] : []),
        ],
      );
      return paths(dir, leaf);
    },
  };
}

function paths(dir: string, name: string): Certificate {
  return { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
}

/** A slash or plus would start another part of the `/O=…/CN=…` that openssl reads. */
function literal(value: string): string {
  return value.replace(/[\\/+]/g, "\\$&");
}

function request(dir: string, name: string, subject: string): void {
  openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", join(dir, `${name}.key`)]);
  openssl(["req", "-new", "-key", join(dir, `${name}.key`), "-subj", subject, "-out", join(dir, `${name}.csr`)]);
}

function sign(dir: string, name: string, by: readonly string[], extensions: readonly string[]): void {
  const file = join(dir, `${name}.ext`);
  writeFileSync(file, extensions.join("\n"));
  const serial = `0x${randomBytes(8).toString("hex")}`;
  const output = join(dir, `${name}.crt`);
  openssl([
    "x509",
    "-req",
    ...["-in", join(dir, `${name}.csr`)],
    ...by,
    ...["-days", days, "-set_serial", serial, "-sha256", "-extfile", file, "-out", output],
  ]);
}

function openssl(args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
