/** Names beside which a long random text is an identity or a checksum. */
const publicNames =
  /(?:^|[^A-Za-z])(?:\w{0,40}(?:id|uid|sha|sha1|sha256|sha512|md5|digest|hash|checksum|commit|rev|revision|version|tag|build|ref|head|tree|parent|image|layer|blob|manifest|etag|trace|span|container|fingerprint|thumbprint|serial|object|node|pod|block|name|integrity|cursor|continue|address|tx|txid))["']?\s{0,4}[=:@]\s{0,4}["'(]?$/i;

/**
 * Whether a run of base64 or hex characters is random enough to be a key, given what stands before and after it.
 * Words, paths and identifiers change between small, capital and digit seldom; drawn characters do at more than half of their places.
 */
export function looksRandom(token: string, before: string, after: string): boolean {
  const beside = /[=:"'`(,\s]\s?$/.test(before) && /[=:"'`]\s{0,2}$/.test(before);
  if (/^[0-9a-f]+$/.test(token) || /^[0-9A-F]+$/.test(token)) {
    return token.length >= 40 && beside && !publicNames.test(before) && !after.startsWith("@") && distinct(token) >= 10;
  }
  if (token.length < (beside ? 20 : 32) || !/[a-z]/.test(token) || !/[A-Z]/.test(token) || !/[0-9]/.test(token))
    return false;
  if (publicNames.test(before) || /(?:sha\d{1,3}-|h1:|@|\w\/\/)$/.test(before)) return false;
  return changes(token) >= 0.4 && entropy(token) >= Math.min(4.3, Math.log2(token.length) * 0.85);
}

/** The share of neighbours that differ in class: small, capital, digit, other. */
function changes(token: string): number {
  let count = 0;
  let previous = classOf(token.charCodeAt(0));
  for (let i = 1; i < token.length; i++) {
    const current = classOf(token.charCodeAt(i));
    if (current !== previous) count++;
    previous = current;
  }
  return count / (token.length - 1);
}

function classOf(code: number): number {
  if (code >= 97 && code <= 122) return 0;
  if (code >= 65 && code <= 90) return 1;
  return code >= 48 && code <= 57 ? 2 : 3;
}

function distinct(token: string): number {
  return new Set(token).size;
}

/** Shannon entropy in bits for each character. */
function entropy(token: string): number {
  const counts = new Map<string, number>();
  for (const character of token) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / token.length) * Math.log2(count / token.length);
  return bits;
}
