import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { comesWith, LIVE_SECTION, namedLive } from "../../populate/apply/live.ts";
import { type Change, type Fault, listed, NO_LONGER } from "../change.ts";
import type { DeclaredJail } from "../model.ts";
import { inOrder, JAIL_STEPS } from "../order.ts";
import { formerLive, formerNames, without } from "./former-names.ts";
import type { JailOnce, JailState } from "./jail-state.ts";

/** What sections need besides files. */
export interface SectionNeeds {
  readonly logSocket: boolean;
  readonly proc: boolean;
  /** All of the sections are known; others may need both. */
  readonly certain: boolean;
}

/** The message of "empty-jail", about a jail. */
export const EMPTY_JAIL =
  "it does not exist, and no sections, files or live directories are declared to create it";

/** What differs in a jail. */
export interface JailComparison {
  readonly changes: readonly Change[];
  readonly fault: Fault | undefined;
  /** What is there and not declared, printable. */
  readonly undeclared: readonly string[];
  /** Live directories that an earlier run has taken out; what they showed is copied when all changes are made. */
  readonly taken: readonly ByteString[];
}

/** The paths that operands of jk_cp mean, and the directories that a live jail gets. */
export interface JailLookUps {
  /** Undefined if there is no such command. */
  readonly pathOf: (operand: ByteString) => ByteString | undefined;
  /** All directories of a live jail; throws as liveOf. */
  readonly liveOf: (directories: readonly ByteString[]) => readonly ByteString[];
  readonly needsOf: (sections: readonly ByteString[]) => SectionNeeds;
}

/**
 * Compares a jail with its declaration. `once`: what was declared before, from which `prune` removes what is not declared
 * any more. Pure.
 */
export function compareJail(
  declared: DeclaredJail,
  state: JailState,
  lookUps: JailLookUps,
  asked: { once: JailOnce | undefined; prune: boolean },
): JailComparison {
  const about = { of: "jail", name: declared.path, jail: declared.path } as const;
  if (state.fault !== undefined) return { ...NOTHING, fault: { ...about, ...state.fault } };
  return new JailDifference(declared, state, lookUps, asked).compare();
}

/** Why a jail is made that has a record. */
export const LOST = "it was here, and is missing";

/** The warning that a jail which is missing is made anew, without the homes that were in it. */
export const lostText = (path: ByteString): string =>
  `${LOST}: it is made anew, without what users had in it; if it was moved: jailkit adopt --moved ${shellWord(path)} NEW; if it is on another file system: mount that first`;

/** What --prune would remove from a jail, and stays without it. Pure. */
export function formerIn(
  declared: DeclaredJail,
  state: JailState,
  lookUps: JailLookUps,
  { once, prune }: { once: JailOnce | undefined; prune: boolean },
): Change[] {
  if (prune || once === undefined) return [];
  const { changes } = compareJail(declared, state, lookUps, { once, prune: true });
  return changes.filter(({ why }) => why === NO_LONGER);
}

class JailDifference {
  readonly #changes: Change[] = [];
  readonly #undeclared: string[] = [];
  /** There is nothing in it. */
  readonly #gone: boolean;
  readonly #missing: string;
  /** The paths of the declared files. */
  readonly #paths: readonly ByteString[];
  readonly #live: readonly ByteString[];
  /** Live directories that go now, and that an earlier run has taken out. */
  readonly #leaves: readonly ByteString[];
  readonly #taken: readonly ByteString[];
  /** Those that go, though the record does not have them. */
  #leftGo: readonly ByteString[] = [];
  /** Sections and files that go. */
  readonly #former: Readonly<Record<"sections" | "files", readonly ByteString[]>>;

  constructor(
    private readonly declared: DeclaredJail,
    private readonly state: JailState,
    private readonly lookUps: JailLookUps,
    private readonly asked: { once: JailOnce | undefined; prune: boolean },
  ) {
    const { sections, files, live = [] } = declared;
    this.#gone = !state.exists || state.emptied;
    this.#missing = missingText(state);
    this.#paths = files.map((name) => lookUps.pathOf(name) ?? name);
    this.#live = live;
    const { former, taken } = formerLive(live, state, asked.once, this.#gone);
    // A jail that is gone begins anew, with what is declared alone.
    const prune = asked.prune && !this.#gone;
    this.#leaves = prune ? former : [];
    // Until --prune has removed what came with them, they are not forgotten.
    const hasLeft = live.length === 0 && !sections.includes(LIVE_SECTION) && state.sections.has(LIVE_SECTION);
    const isLeft = hasLeft && !this.#gone;
    this.#taken = isLeft ? [] : taken;
    const declaredNames = { sections, files: this.#paths, live };
    this.#former = formerNames(declaredNames, state, {
      once: asked.once,
      prune,
      leaves: this.#leaves,
      taken,
    });
  }

  compare(): JailComparison {
    this.#compareLive();
    this.#compareLeftMounts();
    const added = this.#compareContents();
    if (!this.state.exists && this.#changes.length === 0) {
      const about = { of: "jail", name: this.declared.path, jail: this.declared.path } as const;
      return { ...NOTHING, fault: { ...about, code: "empty-jail", message: EMPTY_JAIL } };
    }
    this.#tellUndeclared();
    this.#compareSwitch("log-socket", "logSocket", "jk_socketd does not serve it", added);
    this.#compareSwitch("proc", "proc", this.state.lacksProc, added);
    for (const what of ["sections", "files"] as const)
      if (this.#former[what].length > 0) this.#add(what, this.#former[what], NO_LONGER, "remove");
    const changes = inOrder(JAIL_STEPS, this.#changes);
    return { changes, fault: undefined, undeclared: this.#undeclared, taken: this.#taken };
  }

  #add(
    what: Change["what"],
    items: readonly ByteString[],
    why: string,
    action: Change["action"] = "create",
  ): void {
    const { path } = this.declared;
    const value =
      items.length === 0 ? {} : action === "remove" ? { from: listed(items) } : { to: listed(items) };
    const takes = action === "remove" ? ({ takes: "all" } as const) : {};
    this.#changes.push({
      ...{ of: "jail", name: path, jail: path, action, what, items, why },
      ...{ ...value, ...takes },
    });
  }

  #compareLive(): void {
    const { state } = this;
    const live = this.#live;
    if (this.#leaves.length > 0) this.#add("live", this.#leaves, NO_LONGER, "remove");
    // Those that are not recorded are shown by one above them, perhaps, which liveOf finds.
    const isThere = live.length === 0 || (live.every((one) => state.live.has(one)) && !this.#gone);
    const wanted = isThere ? [] : this.lookUps.liveOf(live);
    const lacks = wanted.some((directory) => this.#gone || !state.live.has(directory));
    if (lacks) this.#add("live", live, this.#gone ? this.#missing : "not mounted in the jail");
    // A run that was killed has recorded the directories, and not what they need besides.
    else if (live.length > 0 && !this.#has("sections", LIVE_SECTION))
      this.#add("live", live, `${LIVE_SECTION} is not all there`);
    const lacking = without([...state.lacking.keys()], this.#leaves);
    const why = new Set(lacking.map((one) => state.lacking.get(one)));
    if (!this.#gone && !lacks && lacking.length > 0) this.#add("mounts", lacking, [...why].join("; "));
  }

  /** True if it is recorded, and no run was stopped that brought it. */
  #has(which: "sections" | "files", name: ByteString): boolean {
    return this.state[which].has(name) && !this.state.unfinished.has(name);
  }

  /** The next boot would mount these over its files. */
  #compareLeftMounts(): void {
    const { leftMounts } = this.state;
    const left = without(leftMounts, comesWith(leftMounts, this.#live));
    this.#leftGo = this.asked.prune ? comesWith(left, this.asked.once?.live ?? []) : [];
    if (this.#leftGo.length > 0) this.#add("mounts", this.#leftGo, NO_LONGER, "remove");
    const stays = without(left, this.#leftGo);
    if (stays.length > 0)
      this.#undeclared.push(`jail ${display(this.declared.path)}: mounts ${listed(stays)} (in /etc/fstab)`);
  }

  /** Returns the sections that are added. */
  #compareContents(): readonly ByteString[] {
    const { state, lookUps } = this;
    const { sections, files } = this.declared;
    // What live directories have shown is copied: all that is in the record needs it.
    const copies = !this.#gone && this.#leaves.length + this.#taken.length + this.#leftGo.length > 0;
    const again = this.#gone || copies;
    const why = (names: readonly ByteString[]) => {
      if (this.#gone) return this.#missing;
      if (copies) return "copied, without the live directories";
      if (names.some((name) => state.unfinished.has(name))) return "not all there";
      return state.unrecorded ? "the jail has files, and no record of them" : "not in the jail";
    };
    const others = (which: "sections" | "files", names: readonly ByteString[]) =>
      [...(copies ? state[which] : [])].filter(
        (name) => !names.includes(name) && !this.#former[which].includes(name),
      );
    const absent = [
      ...sections.filter((name) => again || !this.#has("sections", name)),
      ...others("sections", sections),
    ];
    if (absent.length > 0) this.#add("sections", absent, why(absent));
    const pathOf = (name: ByteString) => lookUps.pathOf(name) ?? name;
    const copied = [
      ...files.filter((name) => again || !this.#has("files", pathOf(name))),
      ...others("files", this.#paths),
    ];
    if (copied.length > 0) this.#add("files", copied, why(copied.map(pathOf)));
    return absent;
  }

  #compareSwitch(
    what: "log-socket" | "proc",
    key: "logSocket" | "proc",
    why: string,
    added: readonly ByteString[],
  ): void {
    const [want, is] = [this.declared[key], this.state[key]];
    if (want === true) {
      if (!is) this.#add(what, [], this.#gone ? this.#missing : why);
      return;
    }
    const brings = (sections: readonly ByteString[]) => {
      const needs = this.lookUps.needsOf(sections);
      return needs.certain ? needs[key] : undefined;
    };
    // A section that is added may bring it.
    const isBrought = added.length > 0 && brings(added) === true;
    const all = new Set([...this.state.sections, ...this.declared.sections]);
    const rest = [...all].filter((name) => !this.#former.sections.includes(name));
    const without = this.state.without.has(what);
    const isSome = is || (what === "proc" && this.state.someProc);
    if (want === false) {
      if (isSome || isBrought) this.#add(what, [], "declared to be off", "remove");
      else if (!(without || this.#gone) && brings(rest) === true)
        this.#add(what, [], "declared to be off: jk_update would bring it, for its sections", "remove");
      return;
    }
    if (!is && !isBrought && brings(rest) === true)
      this.#add(what, [], `${without ? "no longer declared to be off" : why}, and its sections need it`);
    // A line in fstab(5) that a jail of before has left is told, too: proc would be mounted after the next boot.
    if (isSome && brings(rest) === false) this.#leaveSwitch(what, key);
  }

  /** Nothing asks for it any more. */
  #leaveSwitch(what: "log-socket" | "proc", key: "logSocket" | "proc"): void {
    if (this.asked.prune && this.asked.once?.[key] === true) this.#add(what, [], NO_LONGER, "remove");
    else this.#undeclared.push(`jail ${listed([this.declared.path])}: ${what}`);
  }

  #tellUndeclared(): void {
    const { sections, path } = this.declared;
    const recorded = [...this.state.live];
    const known = {
      sections: this.#live.length === 0 ? sections : [...sections, LIVE_SECTION],
      files: this.#paths,
      live: comesWith(recorded, this.#live),
    };
    const there = { ...this.state, live: namedLive(recorded) };
    const goes = { ...this.#former, live: this.#leaves };
    for (const what of ["sections", "files", "live"] as const) {
      const names = [...there[what]].filter(
        (name) => !known[what].includes(name) && !goes[what].includes(name),
      );
      const isPart = (name: ByteString) => what !== "live" && this.state.unfinished.has(name);
      const shown = names.map((name) => `${display(name)}${isPart(name) ? " (not all there)" : ""}`);
      if (names.length > 0) this.#undeclared.push(`jail ${display(path)}: ${what} ${shown.join(", ")}`);
    }
  }
}

const NOTHING = { changes: [], undeclared: [], taken: [] } as const;

function missingText({ exists, lost }: JailState): string {
  if (exists) return "its contents were removed";
  return lost ? LOST : "it does not exist";
}
