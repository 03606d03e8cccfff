import type { Locale } from "../../shared/locale.ts";
import { truncate } from "../../shared/text.ts";
import { isDeciding } from "../tools/fold.ts";

/** What the last words of a program point to. */
export interface Clue {
  line: string;
  /** For people: what the line means; null when it is quoted without an opinion. */
  meaning: string | null;
  /** Whether the fault lies outside the program and its release: going back would not help. */
  outside: boolean;
}

interface Pattern {
  pattern: RegExp;
  outside: boolean;
  meaning: Readonly<Record<Locale, string>>;
}

/** From the most telling to the least; the last line of a log that fits the first of them decides. */
const patterns: readonly Pattern[] = [
  {
    // DATABASE_URL is required
    pattern:
      /\b[A-Z][A-Z0-9]{0,40}_[A-Z0-9_]{1,60}\b.{0,40}\b(?:required|not set|missing|must be set|undefined|unset|empty)\b|\b(?:[Mm]issing|[Rr]equired|[Uu]nset|[Uu]ndefined)\b.{0,40}\b[A-Z][A-Z0-9]{0,40}_[A-Z0-9_]{1,60}\b/,
    outside: false,
    meaning: { en: "a setting is missing", "zh-CN": "缺少配置项" },
  },
  {
    pattern:
      /\b(?:missing|required|undefined|not set|must be set|no value for)\b.{0,60}\b(?:env|environment|variable|config|setting|option|property|flag)\b|\b(?:env|environment variable|config(?:uration)?)\b.{0,60}\b(?:missing|required|not set|not found|undefined|must be set)\b/i,
    outside: false,
    meaning: { en: "a setting is missing", "zh-CN": "缺少配置项" },
  },
  {
    pattern:
      /\b(?:password authentication failed|access denied for user|authentication failed|invalid (?:username|password|credentials)|NOAUTH|WRONGPASS|login failed)\b/i,
    outside: false,
    meaning: { en: "a login to another service is refused", "zh-CN": "登录依赖服务被拒绝" },
  },
  {
    pattern:
      /\b(?:ECONNREFUSED|connection refused|connect: no route to host|no route to host|ETIMEDOUT|dial tcp .{0,80}timeout|connection timed out|could not connect|failed to connect|unable to connect|cannot connect)\b/i,
    outside: true,
    meaning: { en: "a service it depends on cannot be reached", "zh-CN": "依赖的服务连不上" },
  },
  {
    pattern:
      /\b(?:ENOTFOUND|no such host|name or service not known|UnknownHostException|getaddrinfo|temporary failure in name resolution|NXDOMAIN)\b/i,
    outside: true,
    meaning: { en: "a name cannot be resolved", "zh-CN": "域名解析失败" },
  },
  {
    pattern:
      /\b(?:x509|certificate (?:has expired|signed by unknown|verify failed)|SSLHandshakeException|TLS handshake)\b/i,
    outside: true,
    meaning: { en: "a certificate is not accepted", "zh-CN": "证书不被接受" },
  },
  {
    pattern: /\b(?:no space left on device|ENOSPC|disk full|disk quota exceeded)\b/i,
    outside: true,
    meaning: { en: "its disk is full", "zh-CN": "磁盘已满" },
  },
  {
    pattern: /\b(?:EADDRINUSE|address already in use)\b/i,
    outside: false,
    meaning: { en: "its port is taken already", "zh-CN": "端口已被占用" },
  },
  {
    pattern: /\b(?:permission denied|EACCES|operation not permitted|read-only file system)\b/i,
    outside: false,
    meaning: { en: "it may not do what it tries", "zh-CN": "没有相应权限" },
  },
  {
    pattern:
      /\b(?:migrations?\b.{0,60}\b(?:fail|error|pending|locked)|relation "[^"]{1,80}" does not exist|no such table|unknown column)\b/i,
    outside: false,
    meaning: { en: "the database's schema does not fit the program", "zh-CN": "数据库表结构与程序不符" },
  },
  {
    pattern: /\b(?:OutOfMemoryError|heap out of memory|cannot allocate memory|std::bad_alloc|MemoryError)\b/i,
    outside: false,
    meaning: { en: "it ran out of memory of its own", "zh-CN": "程序自身内存耗尽" },
  },
  {
    pattern:
      /\b(?:cannot find module|ModuleNotFoundError|ClassNotFoundException|NoClassDefFoundError|ImportError|no such file or directory|ENOENT|executable file not found|exec format error|not found in \$PATH)\b/i,
    outside: false,
    meaning: { en: "a file or module is not in the image", "zh-CN": "镜像里缺少文件或模块" },
  },
  {
    pattern:
      /\b(?:yaml|json|toml|parse|parsing|syntax|unmarshal|invalid config\w*)\b.{0,60}\b(?:error|fail\w*|invalid|unexpected|line \d+)\b/i,
    outside: false,
    meaning: { en: "a configuration cannot be read", "zh-CN": "配置无法解析" },
  },
  {
    pattern:
      /\b(?:panic|NullPointerException|segmentation fault|SIGSEGV|nil pointer|TypeError|AttributeError|unhandled (?:exception|rejection|error)|assertion failed)\b/i,
    outside: false,
    meaning: { en: "it has a fault of its own", "zh-CN": "程序自身出错" },
  },
];

/** The line of a log that tells most, and what it means; null for a log without any. */
export function clueOf(lines: readonly string[], locale: Locale): Clue | null {
  const recent = lines.slice(-200);
  for (const { pattern, meaning, outside } of patterns) {
    const line = recent.findLast((text) => pattern.test(text.slice(0, 1_000)));
    if (line !== undefined) return { line: truncate(line, 240), meaning: meaning[locale], outside };
  }
  const line = recent.findLast(isDeciding) ?? recent.at(-1);
  return line === undefined ? null : { line: truncate(line, 240), meaning: null, outside: false };
}
