/** Exit codes of every subcommand (SPEC 14). */
export const exit = {
  done: 0,
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  notAllowed: 4,
  notFound: 5,
  unreachable: 6,
} as const;
export type ExitCode = (typeof exit)[keyof typeof exit];

/** Ends the program with these words on stderr and this code: what the user can do something about. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
