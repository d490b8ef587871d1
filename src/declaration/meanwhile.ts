import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError, remedyOf } from "../cli/error.ts";
import { configState } from "../config/load.ts";
import type { Place } from "../config/model.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { type Change, NO_LONGER } from "./change.ts";
import { DECLARATION_FILE } from "./known-file.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "./model.ts";
import { placeText } from "./place-of-fault.ts";

/** What declares a user or jail, or a user in a jail that is to go. Pure. */
function declaredBy({ of, name, jail, why }: Change, { jails, users }: Declaration) {
  if (of === "jail")
    return jails.find(({ path }) => path === jail) ?? users.find((user) => user.jail === jail);
  // One who has moved is declared, but not there.
  return users.find((user) => user.name === name && (why === NO_LONGER || user.jail === jail));
}

/** What declares something that is to be taken from a declared jail or user. Pure. */
function wantedBy(
  { of, name, jail, what, items }: Change,
  { jails, users }: Declaration,
  { planned, pathOf }: Planned,
) {
  const has = (some: readonly ByteString[] = []) => items.some((one) => some.includes(one));
  const wantsInside = ({ sections, files, live, proc, logSocket }: DeclaredJail): boolean => {
    if (what === "sections") return has(sections);
    if (what === "files") return has(files.map(pathOf));
    if (what === "live" || what === "mounts") return has(live);
    return (what === "proc" && proc === true) || (what === "log-socket" && logSocket === true);
  };
  const wants = ({ groups, keys, policy, shell }: DeclaredUser): boolean => {
    if (what === "groups") return has(groups);
    if (what === "keys") return has(keys?.map(({ key }) => key));
    // Of the rights for two shells, those of the declared one stay anyway.
    const isOther = planned?.policy === undefined || isLimitedShell(planned.shell) !== isLimitedShell(shell);
    return what === "policy" && policy !== undefined && isOther;
  };
  if (of === "jail") return jails.find((one) => one.path === name && wantsInside(one));
  return users.find((one) => one.name === name && one.jail === jail && wants(one));
}

/** What a plan has found. */
interface Planned {
  /** The user from whom something is taken, as it was declared. */
  readonly planned: DeclaredUser | undefined;
  readonly pathOf: (operand: ByteString) => ByteString;
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

  /** Throws JailkitError if a jail or user is declared by now, or that is not known. */
  requireUndeclared(removal: Change): void {
    this.#require(`${quoted(removal.name)} is`, (one) => declaredBy(removal, one));
  }

  /** The same for something of a declared jail or user, such as groups. */
  requireUnwanted(removal: Change, plan: Planned): void {
    const { what, from } = removal;
    this.#require(`${[what, from ?? []].flat().join(" ")}:`, (one) => wantedBy(removal, one, plan));
  }

  #require(start: string, find: (now: Declaration) => { readonly place: Place } | undefined): void {
    const state = this.#look();
    if (state !== this.#state) this.#now = this.#readAgain();
    this.#state = state;
    if (this.#now instanceof JailkitError) throw this.#now;
    const found = this.#now.map(find).find((one) => one !== undefined);
    if (found === undefined) return;
    const message = `${start} declared again (${placeText(found.place)}) ${SINCE}; run this again`;
    throw new JailkitError("files-change", 1, message);
  }
}
