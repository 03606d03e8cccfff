import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import canonicalize from "canonicalize";
import { z } from "zod";

/**
 * What the audit chain came to at one record, signed. Its worth is that copies leave the pod: whoever keeps one can show
 * later that nothing at or before `seq` was changed, even by the owner of the file and the key.
 */
export const Checkpoint = z.object({
  instance: z.string(),
  seq: z.int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.string(),
  epoch: z.int(),
  /** The Ed25519 public key, 32 bytes in base64. */
  publicKey: z.string(),
  /** Ed25519 over the domain tag and the canonical JSON (RFC 8785) of the other fields, base64. */
  signature: z.string(),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

const domain = "steward-checkpoint-v1\n";
/** DER around the raw 32 bytes of an Ed25519 key. Source: RFC 8410, sections 4 and 7. */
const privatePrefix = Buffer.from("302e020100300506032b657004220420", "hex");
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex");

/**
 * The signing key for `audit.signingKey`: an Ed25519 private key in PEM, or one derived from any other secret of at least
 * 16 characters. null for what is neither.
 */
export function signingKeyOf(secret: string): KeyObject | null {
  if (secret.includes("-----BEGIN")) {
    try {
      const key = createPrivateKey(secret);
      return key.asymmetricKeyType === "ed25519" ? key : null;
    } catch {
      return null;
    }
  }
  if (secret.length < 16) return null;
  const seed = createHash("sha256").update("steward-audit-key-v1\n").update(secret).digest();
  return createPrivateKey({ key: Buffer.concat([privatePrefix, seed]), format: "der", type: "pkcs8" });
}

export function signCheckpoint(statement: Omit<Checkpoint, "publicKey" | "signature">, key: KeyObject): Checkpoint {
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(publicPrefix.length);
  const body = { ...statement, publicKey: raw.toString("base64") };
  return { ...body, signature: sign(null, bytesOf(body), key).toString("base64") };
}

/** Whether the signature fits the content and the key it names. Whose key that is, the reader must know. */
export function isSigned(checkpoint: Checkpoint): boolean {
  const { signature, ...body } = checkpoint;
  try {
    const raw = Buffer.from(body.publicKey, "base64");
    const key = createPublicKey({ key: Buffer.concat([publicPrefix, raw]), format: "der", type: "spki" });
    return verify(null, bytesOf(body), key, Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}

/**
 * The checkpoints in a text: one JSON object a line, either the checkpoint itself or a log line that carries it as `checkpoint`.
 * Lines of any other kind are passed over, so the log of the pod can be given as it is.
 */
export function findCheckpoints(text: string): Checkpoint[] {
  return text.split("\n").flatMap((line) => {
    const start = line.indexOf("{");
    if (start < 0) return [];
    let value: unknown;
    try {
      value = JSON.parse(line.slice(start));
    } catch {
      return [];
    }
    const inner = typeof value === "object" && value !== null && "checkpoint" in value ? value.checkpoint : value;
    const parsed = Checkpoint.safeParse(inner);
    return parsed.success ? [parsed.data] : [];
  });
}

function bytesOf(body: Omit<Checkpoint, "signature">): Buffer {
  return Buffer.from(domain + (canonicalize(body) ?? ""));
}
