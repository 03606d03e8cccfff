import type { Channel, Clock, Log } from "../../bot/edges.ts";
import type { Platform } from "../../shared/approval.ts";
import type { Locale } from "../../shared/locale.ts";

/**
 * Who there is on an emulated platform. alice and bob may approve, vera is a linked viewer, sam is a colleague whom nobody has linked, and olga is of
 * another organisation.
 */
export const people = ["alice", "bob", "vera", "sam", "olga"] as const;
export type Person = (typeof people)[number];

/** One message as somebody sees it in a chat. */
export interface Seen {
  id: string;
  /** All the words that are to be read, folded ones too, as the platform shows them: markup applied, entities undone. */
  text: string;
  /** What a push notification or a list of chats shows of it. */
  preview: string;
  /** Labels of the buttons and menus that can be pressed. */
  buttons: readonly string[];
  /** The message it hangs under. */
  under: string | null;
  /** External ids that this message rings for, and places it links to: whatever is live in it. */
  mentions: readonly string[];
  links: readonly string[];
  edits: number;
}

/** How pressing a button went for the one who pressed. */
export interface Press {
  /** ms from the push to its acknowledgement; null: none came in time, and the person saw an error. */
  acknowledgedAfter: number | null;
}

/** An emulated platform: the world as people see it, and what may go wrong with it. Every id is the platform's own. */
export interface Emulator {
  /** External ids. */
  readonly ids: Readonly<Record<Person, string>>;
  /** The chat Steward is configured for, and one that it is in but not configured for. */
  readonly chat: string;
  readonly otherChat: string;
  /** Longest time the platform waits for an acknowledgement, in ms. */
  readonly deadlineMs: number;
  /** What must never be in a log. */
  readonly secrets: readonly string[];

  /** Writes to Steward: in the configured chat if nothing else is said. Resolves when the platform has pushed it. */
  say(person: Person, text: string, where?: { chat?: string; under?: string; direct?: boolean }): Promise<void>;
  /** Presses what stands on a message now, by its label; throws where there is no such button. `reason` is chosen in the button's menu. */
  press(person: Person, message: string, label: string, options?: { reason?: string }): Promise<Press>;
  /** As `press`, with the button that stood there before: a client that has not seen the newest state. */
  pressStale(person: Person, message: string, button: string): Promise<Press>;
  /** The ids that the buttons of a message carry, by label; what a client could replay. */
  buttonIds(message: string): Readonly<Record<string, string>>;
  /** Forwards a message, buttons and all; answers the copy. null: the platform's forwarded cards have no buttons. */
  forward(message: string, chat: string): string | null;
  remove(message: string): void;

  /** Steward's messages in a chat, oldest first. */
  messages(chat: string): readonly Seen[];
  /** What only this person was shown, oldest first: in a chat, as a toast, or one to one. */
  told(person: Person): readonly string[];

  readonly links: {
    /** Connections that receive. */
    open(): number;
    /** How often opening was asked for. */
    attempts(): number;
    /** Cuts every connection. */
    drop(): void;
    /** Every connection stays, and nothing more comes from the other side, not even an answer to a ping. */
    freeze(): void;
    /** Ends every connection as the platform does in ordinary times, with notice. */
    rotate(): void;
    refuse(on: boolean): void;
    badCredentials(on: boolean): void;
    /** Never says that the connection is ready. */
    mute(on: boolean): void;
    /** Sends what makes no sense. */
    junk(): void;
    /** Every push is delivered `times` times, the later ones over another connection where there is one. */
    repeat(times: number): void;
  };
  readonly calls: {
    /** The next `times` calls that send or edit are answered as the platform does over its rate. */
    limitRate(times: number, retryAfterS: number): void;
    /** The next `times` calls fail on the platform's side. */
    fail(times: number): void;
    /** How many reached it that send or edit, refused ones too. */
    count(): number;
    /** What the platform refused for its form; must stay empty. */
    faults(): readonly string[];
  };
  stop(): Promise<void>;
}

/** An adapter and the emulator it is tried on. */
export interface Subject<E extends Emulator> {
  platform: Platform;
  startEmulator(): Promise<E>;
  /** The adapter as the bot makes it, pointed at the emulator and with its waits shortened. */
  openChannel(emulator: E, options: { clock: Clock; log: Log; locale: Locale | null }): Channel;
}
