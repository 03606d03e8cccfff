import { randomBytes, randomInt, randomUUID } from "node:crypto";

const base32 = "abcdefghijklmnopqrstuvwxyz234567";

/** A new 128-bit random id, 26 lower-case base32 characters: safe in URLs, file names and as a Kubernetes annotation value. */
export function newId(): string {
  let bits = 0n;
  for (const byte of randomBytes(16)) bits = (bits << 8n) | BigInt(byte);
  let text = "";
  for (let i = 0; i < 26; i++) {
    text = base32[Number(bits & 31n)] + text;
    bits >>= 5n;
  }
  return text;
}

/** A card's id. A UUID because the deep link of a card carries one. */
export function newCardId(): string {
  return randomUUID();
}

/** Letters and digits that are told apart on a phone and over the phone. */
const codeAlphabet = "ACDEFGHJKLMNPQRTUVWXY34679";

/** The short code people type to name an approval, as `A7F3`. It names and authorises nothing; the caller makes it unique. */
export function newCode(length = 4): string {
  return Array.from({ length }, () => codeAlphabet[randomInt(codeAlphabet.length)]).join("");
}
