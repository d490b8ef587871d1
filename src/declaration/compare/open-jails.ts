import type { ByteString } from "../../../ffi/bytes.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { InJail } from "./in-jail.ts";
import type { JailState } from "./jail-state.ts";
import { openJailState } from "./look.ts";
import type { Machine } from "./machine.ts";

// Users are nearly always listed jail by jail.
const MOST_OPEN = 32;

/** A jail that is open, unless it does not exist or cannot be used. */
interface OpenJail {
  readonly state: JailState;
  readonly root: JailRoot | undefined;
  readonly inside: InJail;
}

/** Jails in which one user after the other is looked up: each is opened once, and its files are read once. */
export class OpenJails implements Disposable {
  readonly #open = new Map<ByteString, OpenJail>();

  constructor(private readonly machine: Machine) {}

  /** What this machine has of a jail. */
  get(jail: ByteString): OpenJail {
    const before = this.#open.get(jail);
    if (before !== undefined) return before;
    for (const [oldest, { root }] of this.#open) {
      if (this.#open.size < MOST_OPEN) break;
      root?.[Symbol.dispose]();
      this.#open.delete(oldest);
    }
    const { state, root } = openJailState(jail, this.machine);
    const found = {
      state,
      root,
      inside: new InJail(root, jail, root === undefined && state.fault !== undefined),
    };
    this.#open.set(jail, found);
    return found;
  }

  [Symbol.dispose](): void {
    for (const { root } of this.#open.values()) root?.[Symbol.dispose]();
    this.#open.clear();
  }
}
