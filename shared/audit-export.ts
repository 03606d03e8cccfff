import { AuditRecord, type ChainAnswer, genesisHash, walkChain } from "./audit.ts";
import type { Checkpoint } from "./checkpoint.ts";

/**
 * Verifies an export (one record a line) against checkpoints that were kept elsewhere, without asking any bot. A file that begins
 * with the first record must begin the chain of the instance the checkpoints name; one that begins later is taken from there on.
 */
export async function verifyExport(
  lines: Iterable<string> | AsyncIterable<string>,
  checkpoints: readonly Checkpoint[],
): Promise<ChainAnswer> {
  const instances = new Set(checkpoints.map(({ instance }) => instance));
  if (instances.size > 1) {
    return { ok: false, brokenAt: 0, reason: "the checkpoints are of several instances; give those of one" };
  }
  const [instance] = instances;
  let chain: ReturnType<typeof walkChain> | null = null;
  let number = 0;
  let seq = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === "") continue;
    const record = parseLine(line);
    if (record === null) return { ok: false, brokenAt: seq + 1, reason: `line ${number} is not an audit record` };
    const begins = record.seq === 1 && instance !== undefined ? { seq: 0, hash: genesisHash(instance) } : null;
    chain ??= walkChain(begins, checkpoints);
    const fault = chain.next(record);
    if (fault !== null) return fault;
    seq = record.seq;
  }
  return (chain ?? walkChain(null, checkpoints)).end();
}

function parseLine(line: string): AuditRecord | null {
  try {
    return AuditRecord.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
