/**
 * The fingerprint Alertmanager gives a set of labels: FNV-1a, 64 bits, over the sorted names and values, each followed by 0xff.
 * For senders that leave it out. Source: prometheus/common model.LabelSet.Fingerprint.
 */
export function fingerprintOf(labels: Readonly<Record<string, string>>): string {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  const add = (byte: number) => {
    low = (low ^ byte) >>> 0;
    // Times the prime 2^40 + 0x1b3, in two halves of 32 bits: no step leaves the integers a number holds exactly.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (low << 8)) >>> 0;
    low = product >>> 0;
  };
  const entries = Object.entries(labels).map(([name, value]) => [Buffer.from(name), Buffer.from(value)] as const);
  for (const entry of entries.sort(([a], [b]) => Buffer.compare(a, b))) {
    for (const text of entry) {
      for (const byte of text) add(byte);
      add(0xff);
    }
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
