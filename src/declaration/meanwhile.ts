import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError, remedyOf } from "../cli/error.ts";
import { configState } from "../config/load.ts";
import { type Change, NO_LONGER } from "./change.ts";
import { DECLARATION_FILE } from "./known-file.ts";
import type { Declaration } from "./model.ts";
import { placeText } from "./place-of-fault.ts";

/** What is to be removed. */
type Removal = Pick<Change, "of" | "name" | "jail" | "why">;

/** What declares it, or a user in a jail that is to go. Pure. */
function declaredBy({ of, name, jail, why }: Removal, { jails, users }: Declaration) {
  if (of === "jail")
    return jails.find(({ path }) => path === jail) ?? users.find((user) => user.jail === jail);
  // One who has moved is declared, but not there.
  return users.find((user) => user.name === name && (why === NO_LONGER || user.jail === jail));
}

const SINCE = "since the plan was made: nothing of it is removed";

/** Looks at the declarations again before something is removed: until then a run may have waited for a lock. */
export class Meanwhile {
  #state: ByteString;
  /** What they say since they have changed, or why that is not known. */
  #now: readonly Declaration[] | JailkitError = [];

  /**
   * To be made before the plan reads them. `files`: those that are named. `read`: reads all again, and throws JailkitError if
   * what it finds is no reason to remove anything.
   */
  constructor(
    private readonly files: readonly ByteString[],
    private readonly read: () => readonly Declaration[],
  ) {
    this.#state = this.#look();
  }

  #look(): ByteString {
    const named = this.files.map((file) => configState(file, true));
    return [configState(DECLARATION_FILE), ...named].join("\0");
  }

  #readAgain(): readonly Declaration[] | JailkitError {
    try {
      return this.read();
    } catch (error) {
      if (!isReported(error)) throw error;
      const message = `what is declared has changed ${SINCE}; ${describeError(error)}`;
      const code = error instanceof JailkitError ? error.code : "failed";
      return new JailkitError(code, 1, message, undefined, remedyOf(error));
    }
  }

  /** Throws JailkitError if something is declared by now, or that is not known. */
  requireUndeclared(removal: Removal): void {
    const state = this.#look();
    if (state !== this.#state) this.#now = this.#readAgain();
    this.#state = state;
    if (this.#now instanceof JailkitError) throw this.#now;
    const found = this.#now.map((one) => declaredBy(removal, one)).find((one) => one !== undefined);
    if (found === undefined) return;
    const message = `${quoted(removal.name)} is declared again (${placeText(found.place)}) ${SINCE}; run this again`;
    throw new JailkitError("files-change", 1, message);
  }
}
