/** What a name says of its value: the kind of secret it holds, or null. */
export type SecretKind = "password" | "token" | "secret" | "key" | "credential" | "session" | "signature" | "auth";

/** Words that turn a name into one about a secret, not of one: `secretName`, `tokenTTL`, `password_file`. */
const about = new Set(
  (
    "name names ref refs file files filename path paths dir directory url uri type kind ttl expiry expires expire expired expiration lifetime " +
    "age policy length len count limit max min num number total enabled enable disabled disable required mount mounts namespace store provider " +
    "version rotation created updated at time timeout interval algorithm alg endpoint issuer audience bucket budget usage used status state " +
    "error errors invalid valid reviewer projection service manager controller request requests rate bytes size format prefix header field " +
    "label labels annotation annotations class source volume volumes seconds minutes hours days list resource resources review reviews " +
    "checksum digest per mode method strategy attempts retries not missing found refresh refreshed renewed rejected denied failed failure"
  ).split(" "),
);

/** Before `key`, these make it one that opens something. */
const opening = new Set(
  (
    "api access private secret encryption decryption signing sign master account shared ssh license licence service admin auth client storage " +
    "session hmac aes rsa ec jwt jwk app sas subscription webhook deploy cipher crypto data root host server tls"
  ).split(" "),
);
const compactKeys = /(?:api|access|private|secret|encryption|signing|master|account|auth|app|license|shared)keys?$/;
const passWords = /^(?:pass|passwd|passwort|passphrase|passcode|pwd|passwords?)$|(?:password|passwd|passphrase|pwd)s?$/;
const innocentPass = /^(?:by|com|encom|tres|sur|over|under|im)pass$/;
const sessions = new Set(["sessionid", "jsessionid", "phpsessid", "sessid", "cookie", "cookies"]);
const chinese: readonly (readonly [string, SecretKind])[] = [
  ["密码", "password"],
  ["口令", "password"],
  ["密钥", "key"],
  ["令牌", "token"],
];

/** Reads a name of any style: `DB_PASSWORD`, `clientSecret`, `x-api-key`, `spring.datasource.password`, `数据库密码`. */
export function secretKindOf(name: string): SecretKind | null {
  const foreign = chinese.find(([word]) => name.includes(word));
  if (foreign !== undefined) return foreign[1];
  const words = wordsOf(name);
  const last = words.at(-1);
  if (last === undefined || about.has(last)) return null;
  if (last === "id" || last === "ids") return words.at(-2) === "session" ? "session" : null;
  for (const [i, word] of words.entries()) {
    const kind = kindOfWord(word, words[i - 1]);
    if (kind !== null) return kind;
  }
  return null;
}

function kindOfWord(word: string, before: string | undefined): SecretKind | null {
  if (passWords.test(word)) return "password";
  if (word.length <= 12 && word.endsWith("pass") && !innocentPass.test(word)) return "password";
  if (/(?:^|[a-z])tokens?$/.test(word)) return "token";
  if (/secrets?$/.test(word)) return "secret";
  if (/^(?:credentials?|creds?)$/.test(word)) return "credential";
  if (compactKeys.test(word)) return "key";
  if ((word === "key" || word === "keys") && before !== undefined && opening.has(before)) return "key";
  if (word === "authorization") return "auth";
  if (sessions.has(word)) return "session";
  if (word === "sig" || (word === "signature" && (before === "amz" || before === "goog"))) return "signature";
  return word === "otp" ? "password" : null;
}

/** The words of a name in lower case: split at punctuation and at the humps of camel case. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z]{2,})([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

/** Whether a name counts secrets (`max_tokens`, `tokens`), so that a number beside it is one. */
export function isPlural(name: string): boolean {
  return /(?:tokens|secrets|passwords|credentials|keys|cookies)$/i.test(name);
}

/** Environment variables that say how a program runs and not what it may open. */
export function isHarmlessVariable(name: string): boolean {
  if (secretKindOf(name) !== null) return false;
  const last = wordsOf(name).at(-1) ?? "";
  return harmlessTails.has(last) || /^(?:LC_|JAVA_|GO(?:MAX|GC|MEM)|OTEL_)/.test(name);
}

const harmlessTails = new Set(
  (
    "level tz timezone lang language locale mode env environment stage profile profiles name names namespace region zone cluster node host " +
    "hostname hosts port ports address addr url uri endpoint endpoints service version release image enabled disabled debug verbose trace " +
    "timeout interval ttl period delay seconds ms retries attempts size limit max min count number replicas workers threads concurrency " +
    "parallelism pool buffer batch queue path dir directory home file format type kind class driver dialect database db schema topic group " +
    "user username owner opts options flags args memory cpu heap percent ratio threshold pwd shell term hostip podip ip domain origin " +
    "protocol scheme feature features strategy policy broker brokers bootstrap servers"
  ).split(" "),
);
