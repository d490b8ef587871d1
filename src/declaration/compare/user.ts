import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { octal } from "../../cli/octal.ts";
import { findEntry } from "../../config/model.ts";
import type { LeftMove } from "../../jail/fs/home-moves.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { dirsEqual, isHomeIn, joinHome, normalHome, splitHome } from "../../system/separator.ts";
import { sameKeys } from "../../transfer/sections.ts";
import { homeFor } from "../../users/jail-side.ts";
import { isClosed } from "../../users/leaving.ts";
import { CHROOT_SHELL } from "../../users/plan.ts";
import { type Change, type FaultText, listed, listedKeys, NO_LONGER, waitsFor } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { inOrder, USER_STEPS } from "../order.ts";
import { placeFault } from "./account-place.ts";
import { misplacedText } from "./directory-says.ts";
import { wantedLine } from "./intent.ts";
import { localText } from "./local-too.ts";
import { goneText, heirText } from "./lost-name.ts";
import { becomesLimited, isStricter, onlyTaking, policyTakes } from "./takes.ts";
import type { UserComparison, UserState } from "./user-state.ts";

/** Compares a user with the declaration. Pure, but for the commands in remedies. */
export function compareUser(declared: DeclaredUser, state: UserState): UserComparison {
  const { name, jail } = declared;
  const about = { of: "user", name, jail } as const;
  const found = state.fault ?? faultOf(declared, state);
  if (found !== undefined) return onlyTaking({ ...about, ...found }, state, () => changesOf(declared, state));
  const changes = changesOf(declared, state);
  const { homeFault, besideFault, noShadow, account, isDoubtful } = state;
  const ownFault = homeFault ?? besideFault ?? noShadow;
  const fault = ownFault && { ...about, ...ownFault };
  return {
    ...{ changes, fault, meanwhile: state.commonPolicy?.keys },
    directory: attributesOf(declared, account),
    misplaced: account && declared.directory ? misplacedText(declared, account) : undefined,
    doubtful: isDoubtful ? account : undefined,
  };
}

function changesOf(declared: DeclaredUser, state: UserState): readonly Change[] {
  const { name, jail } = declared;
  const about = { of: "user", name, jail } as const;
  const changes: Change[] = [];
  const add = (change: Omit<Change, keyof typeof about | "items"> & { items?: readonly ByteString[] }) =>
    changes.push({ ...about, items: [], ...change });
  const { policy, wantedPolicy } = state;
  const rules = { what: "policy", takes: policyTakes(declared, state) } as const;
  if (wantedPolicy !== undefined && policy === undefined)
    add({ ...rules, action: "create", to: listed([...wantedPolicy.keys()]), why: "it has no section" });
  else if (wantedPolicy !== undefined && policy !== undefined && !sameKeys(policy, wantedPolicy))
    add({ ...rules, action: "change", to: `differs in ${differing(policy, wantedPolicy)}`, why: "" });
  const { account, closedHome } = state;
  if (closedHome !== undefined) addOpening(closedHome, add);
  if (account === undefined) addAccount(declared, add);
  else if (declared.directory) addSide(declared, account, state, add);
  else if (splitHome(account.home) === undefined) addJailing(declared, account, state, add);
  else addDrift(declared, account, state, add);
  if (account === undefined) addOptions(declared, state, add);
  else addAccess(declared, state, add);
  addFormer(declared, state, add);
  return inOrder(USER_STEPS, changes);
}

type Add = (
  change: Omit<Change, "of" | "name" | "jail" | "items"> & { items?: readonly ByteString[] },
) => void;

/** The names of keys with other values, printable. */
function differing(one: ReadonlyMap<ByteString, ByteString>, other: ReadonlyMap<ByteString, ByteString>) {
  const keys = new Set([...one.keys(), ...other.keys()]);
  return listed([...keys].filter((key) => one.get(key) !== other.get(key)));
}

const at = (jail: ByteString, home: ByteString) => joinHome(jail, normalPath(home));

/** What prevents the declaration from being carried out. */
function faultOf(declared: DeclaredUser, state: UserState): FaultText | undefined {
  const { name, uid } = declared;
  const { account, heir } = state;
  if (account === undefined) {
    if (!declared.directory) return undefined;
    return { code: "no-such-user", message: goneText(name, heirText(declared, heir?.())) };
  }
  if (account.uid === 0) return { code: "root", message: "has uid 0: a jail cannot hold root" };
  if (uid !== undefined && account.uid !== uid) {
    const other = state.otherUid?.();
    if (other !== undefined) return { code: "uid-differs", message: other };
    const message = `has the uid ${account.uid}, and ${uid} is declared: files would keep the old one, so change one of the two by hand`;
    return { code: "uid-differs", message, remedy: wantedLine(declared, "uid", `${account.uid}`) };
  }
  if (declared.directory && state.local) {
    const hidden = state.hidden?.();
    const message = localText(account, hidden, "declare it without 'directory'");
    // It may be another account.
    const remedy = hidden === undefined ? wantedLine(declared, "directory", "no") : undefined;
    return { code: "local", message, remedy };
  }
  if (!declared.directory && !state.local) {
    const message = "is not in /etc/passwd, but in a directory: declare it with 'directory = yes'";
    return { code: "not-local", message, remedy: wantedLine(declared, "directory", "yes") };
  }
  if (state.noGroup !== undefined) return state.noGroup;
  const found = placeFault(declared, account, {
    isUsual: findEntry(declared.place.section, "home") === undefined,
    other: state.homeOwner,
    holder: () => state.homeHolder?.(),
  });
  if (found?.code === "home-differs") {
    const { home, give } = found;
    return { ...found, remedy: home === undefined ? give : wantedLine(declared, "home", home) };
  }
  const lost = found?.lost;
  // Each of its users would say the same.
  return lost === undefined ? found : waitsFor(lost.jail, lost.fault);
}

/** It rests on nothing, and gives its user nothing. */
function addOpening({ home, stat, mode = 0 }: LeftMove, add: Add): void {
  const why = "a run that was killed while it copied the home has closed it";
  const [from, to] = [(stat?.mode ?? 0) & 0o7777, mode].map(octal);
  add({ action: "change", what: "home-mode", from, to, why, items: [home], takes: "all" });
}

function addAccount({ jail, shell, home, groups, keys }: DeclaredUser, add: Add): void {
  const count = keys?.length ?? 0;
  const more = [
    ...(groups.length === 0 ? [] : [`groups ${listed(groups)}`]),
    ...(count === 0 ? [] : [count === 1 ? "1 key" : `${count} keys`]),
  ];
  const to = [`in ${display(jail)}`, `home ${display(home)}`, `shell ${display(shell)}`, ...more].join(", ");
  add({ action: "create", what: "account", to, why: "it does not exist" });
}

/** Why an account is put into its jail. */
export const IN_NO_JAIL = "it is in no jail";

function addJailing(declared: DeclaredUser, account: PasswdEntry, state: UserState, add: Add): void {
  const { jail, home, shell } = declared;
  // Before it is there: jailing keeps a line that an earlier stay has left, and its shell.
  if (state.inJail !== undefined) addEntry(declared, account, state, add);
  addHome(declared, account, state, add);
  const moves = account.home.startsWith(`${jail}/`) || account.home === jail ? "" : ", with its home";
  const to = `in ${display(at(jail, home))}, shell ${display(shell)}${moves}`;
  add({ action: "change", what: "account", from: display(account.home), to, why: IN_NO_JAIL });
  addComment(declared, account, add);
}

/** What differs for an account that is in the jail. */
function addDrift(declared: DeclaredUser, account: PasswdEntry, state: UserState, add: Add): void {
  if (account.shell !== CHROOT_SHELL)
    add({
      ...{ action: "change", what: "account", from: display(account.shell), to: CHROOT_SHELL },
      ...{ why: "its login shell on the host", takes: isClosed(account.shell) ? undefined : "all" },
    });
  const { jail } = declared;
  const right = homeFor(account, jail);
  if (![right, state.inJail?.home ?? right].some((inside) => isHomeIn(jail, account.home, inside))) {
    const [from, to] = [account.home, normalHome(account.home)].map(display);
    add({
      action: "change",
      what: "account",
      from,
      to,
      why: "no login works with a home that is so written",
    });
  }
  addSide(declared, account, state, add);
  addComment(declared, account, add);
}

function addComment({ comment }: DeclaredUser, { gecos }: PasswdEntry, add: Add): void {
  if (comment !== undefined && comment !== gecos)
    add({
      action: "change",
      what: "comment",
      from: quoted(gecos),
      to: quoted(comment),
      why: "",
      takes: "all",
    });
}

/** What differs in the jail. */
function addSide(declared: DeclaredUser, account: PasswdEntry, state: UserState, add: Add): void {
  addEntry(declared, account, state, add);
  addHome(declared, account, state, add);
}

const LACKS_HOME: Readonly<Record<string, string>> = {
  missing: "it is missing",
  mounted: "a file system without files is mounted there",
};

function addHome({ jail }: DeclaredUser, account: PasswdEntry, { home }: UserState, add: Add): void {
  const why = LACKS_HOME[home];
  if (why !== undefined) add({ action: "create", what: "home", to: display(homeFor(account, jail)), why });
}

/** What differs in the account files of the jail. */
function addEntry({ jail, shell }: DeclaredUser, account: PasswdEntry, state: UserState, add: Add): void {
  const { inJail, hasGroup, isUnknown } = state;
  if (isUnknown) return;
  const seen = homeFor(account, jail);
  if (inJail === undefined) {
    add({ action: "create", what: "entry", to: display(shell), why: "it is not in the jail's etc/passwd" });
  } else {
    if (inJail.shell !== shell)
      add({
        ...{ action: "change", what: "shell", from: display(inJail.shell), to: display(shell), why: "" },
        takes: isStricter(shell) ? "all" : undefined,
      });
    const isHome = dirsEqual(inJail.home, seen) || isHomeIn(jail, account.home, inJail.home);
    const same = inJail.uid === account.uid && inJail.gid === account.gid && isHome;
    if (!same || !hasGroup)
      add({
        ...{ action: "change", what: "entry", items: [] },
        why: same
          ? "its group is not in the jail's etc/group"
          : "the jail's etc/passwd contradicts the account",
      });
  }
}

/** Groups and keys of an account that exists. */
function addAccess(declared: DeclaredUser, state: UserState, add: Add): void {
  const { lacksGroups, limitingGroups = [], lacksInside, lacksKeys, replacesKeys } = state;
  const others = lacksGroups.filter((name) => !limitingGroups.includes(name));
  for (const items of [limitingGroups, others])
    if (items.length > 0)
      add({
        ...{ action: "create", what: "groups", to: listed(items), items },
        why: lacksInside ? "it is not a member in the jail" : "it is not a member",
        takes: items === limitingGroups ? "all" : undefined,
      });
  addOptions(declared, state, add);
  if (lacksKeys > 0) {
    const to = `${lacksKeys} of ${declared.keys?.length ?? 0}`;
    const takes = state.former.keys.length > 0 ? replacesKeys : undefined;
    add({ action: "create", what: "keys", to, why: "not in its authorized_keys", takes });
  }
}

/** Also of an account that is to be created, whose home is there. */
function addOptions(
  { keys = [] }: DeclaredUser,
  { account, otherOptions, stricterOptions }: UserState,
  add: Add,
): void {
  if (otherOptions === 0) return;
  const to = `${otherOptions} of ${keys.length}`;
  const takes = account && stricterOptions;
  add({ action: "change", what: "keys", to, why: "with other options in its authorized_keys", takes });
}

/** What was declared once. */
function addFormer(declared: DeclaredUser, state: UserState, add: Add): void {
  const { groups, keys, policy } = state.former;
  const taken = { action: "remove", why: NO_LONGER, takes: "all" } as const;
  if (groups.length > 0) add({ ...taken, what: "groups", from: listed(groups), items: groups });
  if (keys.length > 0) add({ ...taken, what: "keys", from: listedKeys(keys), items: keys });
  // Those of a former shell stay until there is another one.
  const takes =
    state.wantedPolicy === undefined && !becomesLimited(declared, state) && policyTakes(declared, state);
  if (policy) add({ ...taken, what: "policy", takes: takes || undefined });
}

/** What the directory should say about an account. */
function attributesOf({ directory, jail, home }: DeclaredUser, account: PasswdEntry | undefined) {
  if (!directory || account === undefined) return undefined;
  const wanted = { home: at(jail, home), shell: CHROOT_SHELL };
  return account.home === wanted.home && account.shell === wanted.shell ? undefined : wanted;
}
