import { randomUUID } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

const SessionFile = z.record(z.string(), z.object({ cookie: z.string(), username: z.string(), expiresAt: z.string() }));
export type KeptSession = z.infer<typeof SessionFile>[string];

/** The sessions of this user, by bot. */
export interface Sessions {
  get(key: string): Promise<KeptSession | null>;
  put(key: string, session: KeptSession): Promise<void>;
  drop(key: string): Promise<void>;
}

/** Kept in one file that only its owner may read; written aside and renamed, so that it is never half there. */
export function createSessions(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
  now: () => Date,
): Sessions {
  const folder = env["XDG_CONFIG_HOME"] || join(home, ".config");
  const path = join(folder, "steward", "sessions.json");

  return {
    async get(key) {
      const all = await read();
      return Object.hasOwn(all, key) ? (all[key] ?? null) : null;
    },
    put: (key, session) => change((all) => ({ ...all, [key]: session })),
    drop: (key) => change(({ [key]: _, ...others }) => others),
  };

  async function read(): Promise<Record<string, KeptSession>> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch {
      return {};
    }
    try {
      const all = SessionFile.parse(JSON.parse(text));
      return Object.fromEntries(Object.entries(all).filter(([, { expiresAt }]) => new Date(expiresAt) > now()));
    } catch {
      return {};
    }
  }

  async function change(to: (all: Record<string, KeptSession>) => Record<string, KeptSession>): Promise<void> {
    const next = to(await read());
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const aside = `${path}.${randomUUID()}`;
    await writeFile(aside, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await chmod(aside, 0o600);
    await rename(aside, path);
  }
}
