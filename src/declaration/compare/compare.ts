import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, isReported, problemFrom } from "../../cli/error.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import { withOneTree } from "../../jail/fs/look.ts";
import { knownJails } from "../../jail/record/manifest.ts";
import { liveOf } from "../../populate/apply/live.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { recall } from "../../users/account-record.ts";
import { type Change, changeText, type Fault, listed } from "../change.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "../model.ts";
import { isInScope, type Once, type OnceJail, type OnceUser } from "../once.ts";
import { compareJail } from "./jail.ts";
import { withJailState } from "./look.ts";
import { InJail, userState } from "./look-user.ts";
import { Machine } from "./machine.ts";
import { settled } from "./settle.ts";
import { compareUser, type UserComparison } from "./user.ts";

/** What is to be done for a declared user. */
export interface UserWork extends UserComparison {
  readonly declared: DeclaredUser;
}

/** What is to be done in a jail, and for the declared users of it. */
export interface JailWork {
  readonly path: ByteString;
  /** Undefined for a jail that only users name. */
  readonly declared: DeclaredJail | undefined;
  readonly changes: readonly Change[];
  readonly fault: Fault | undefined;
  readonly users: readonly UserWork[];
}

/** All changes of a jail and its users. */
export const changesOf = ({ changes, users }: JailWork): Change[] => [
  ...changes,
  ...users.flatMap((user) => user.changes),
];

/** Something that was declared once, is not declared any more, and is there. */
export type Former =
  | { readonly of: "jail"; readonly once: OnceJail; readonly change: Change }
  | { readonly of: "user"; readonly once: OnceUser; readonly change: Change };

/** How the machine differs from a declaration. */
export interface Comparison {
  readonly jails: readonly JailWork[];
  /** To be removed; empty without --prune. */
  readonly former: readonly Former[];
  /** What is there and not declared, printable. */
  readonly undeclared: readonly string[];
  /** The path that an operand of jk_cp means, as it is recorded. */
  readonly pathOf: (operand: ByteString) => ByteString;
}

interface Asked {
  readonly prune: boolean;
  /** The declaration is that of the usual files. */
  readonly usual: boolean;
  /** What the usual files declare, if the declaration is another one: it is not removed. */
  readonly others: Declaration | undefined;
}

/** Compares this machine with a declaration, and changes nothing. Throws JailkitError if the configuration of the machine cannot be read. */
export function compare(declaration: Declaration, before: Once, { prune, usual, others }: Asked): Comparison {
  return withOneTree(() => {
    const machine = new Machine();
    const undeclared: string[] = [];
    const declared = new Map(declaration.jails.map((jail) => [jail.path, jail]));
    const users = Map.groupBy(declaration.users, ({ jail }) => jail);
    const onceJails = new Map(before.jails.map((jail) => [jail.path, jail]));
    const onceUsers = new Map(before.users.map((user) => [user.name, user]));
    const paths = new Set([...declared.keys(), ...users.keys()]);
    const jails = [...paths].map((path) => {
      const here = { declared: declared.get(path), users: users.get(path) ?? [] };
      return compareOne(path, here, machine, {
        ...{ prune, undeclared, once: onceJails.get(path), onceUser: (name) => onceUsers.get(name) },
      });
    });
    const scope = { files: declaration.files, usual };
    const former = formerOf([declaration, ...(others === undefined ? [] : [others])], before, machine, scope);
    if (!prune)
      for (const { change } of former)
        undeclared.push(`${change.of} ${display(change.name)} (no longer declared)`);
    const pathOf = (operand: ByteString) => machine.pathOf(operand) ?? operand;
    return { jails, former: prune ? former : [], undeclared, pathOf };
  });
}

interface Before {
  readonly prune: boolean;
  /** Gets what is not declared. */
  readonly undeclared: string[];
  readonly once: OnceJail | undefined;
  readonly onceUser: (name: ByteString) => OnceUser | undefined;
}

function compareOne(
  path: ByteString,
  { declared, users }: { declared: DeclaredJail | undefined; users: readonly DeclaredUser[] },
  machine: Machine,
  { prune, undeclared, once, onceUser }: Before,
): JailWork {
  return withJailState(path, machine, (state, root) => {
    const about = { of: "jail", name: path, jail: path } as const;
    let changes: readonly Change[] = [];
    let fault: Fault | undefined = state.fault && { ...about, ...state.fault };
    if (fault === undefined && declared === undefined && !state.exists)
      fault = {
        ...about,
        code: "no-such-jail",
        message: `it does not exist, and no section [jail ${display(path)}] declares it`,
      };
    if (fault === undefined && declared !== undefined) {
      try {
        const lookUps = {
          pathOf: machine.pathOf,
          liveOf: (live: readonly ByteString[]) => liveOf(live.join(","), fileSystemAt(), path).directories,
        };
        const compared = compareJail(declared, state, lookUps, { once, prune });
        ({ changes, fault } = compared);
        undeclared.push(...compared.undeclared);
      } catch (error) {
        if (!isReported(error)) throw error;
        const { code, message } = problemFrom(error, "failed", path);
        fault = { ...about, code, message };
      }
    }
    const inside = new InJail(root, path);
    const works = users.map((user) => {
      const { name } = user;
      // What it cannot find out is a fault of userState.
      const whole = answered(() => settled(user, machine.accounts.userByName(name), inside)) ?? user;
      const now = userState(whole, inside, machine, onceUser(name));
      const compared = compareUser(whole, now);
      const done = now.keysFault === undefined ? whole : { ...whole, keys: undefined };
      if (prune) return { declared: done, ...compared };
      // A key that is not declared any more still lets somebody in.
      for (const change of compared.changes)
        if (change.action === "remove") undeclared.push(`${changeText(change)} (${change.why})`);
      const rest = compared.changes.filter(({ action }) => action !== "remove");
      return { declared: done, ...compared, changes: rest };
    });
    if (declared !== undefined) {
      const names = new Set(users.map(({ name }) => name));
      const others = (machine.byJail.get(path) ?? []).filter(({ name }) => !names.has(name));
      if (others.length > 0)
        undeclared.push(`jail ${display(path)}: users ${listed(others.map(({ name }) => name))}`);
    }
    return { path, declared, changes, fault, users: works };
  });
}

/** What was declared once by the files of the scope, is not in any declaration, and is there. */
function formerOf(
  declarations: readonly Declaration[],
  before: Once,
  machine: Machine,
  { files, usual }: { files: readonly ByteString[]; usual: boolean },
): Former[] {
  const mayGo = ({ file }: { file: ByteString }) => isInScope(file, files, usual);
  const jails = new Set(declarations.flatMap((one) => one.jails.map(({ path }) => path)));
  const users = new Set(declarations.flatMap((one) => one.users.map(({ name }) => name)));
  const why = "no longer declared";
  const gone = before.users.filter((user) => !users.has(user.name) && mayGo(user));
  const formerUsers = gone.flatMap((once): Former[] => {
    if (!isStillIn(once, machine)) return [];
    const { name, jail } = once;
    const what = once.created === undefined ? ("entry" as const) : ("account" as const);
    const from = what === "entry" ? `in ${display(jail)}` : undefined;
    const leaves = what === "entry" && !once.directory && hasLifeOutside(once, machine);
    const to = leaves ? "out of it, with its home" : undefined;
    return [
      {
        of: "user",
        once,
        change: { action: "remove", of: "user", name, jail, what, from, to, why, items: [] },
      },
    ];
  });
  const candidates = before.jails.filter((jail) => !jails.has(jail.path) && mayGo(jail));
  const known = candidates.length === 0 ? [] : knownJails();
  const recorded = new Set(known.map(({ jail }) => jail.path));
  const formerJails = candidates.flatMap((once): Former[] => {
    if (!recorded.has(once.path)) return [];
    const about = { of: "jail", name: once.path, jail: once.path } as const;
    return [{ of: "jail", once, change: { ...about, action: "remove", what: "jail", why, items: [] } }];
  });
  // Users first: a jail with users is not deleted.
  return [...formerUsers, ...formerJails];
}

/** True if the record of the jail has the shell that the account had before; any other one stays in the jail. */
const hasLifeOutside = ({ name, jail }: OnceUser, machine: Machine): boolean =>
  answered(() => withJailState(jail, machine, (_, root) => root && recall(root, name)?.shell)) !== undefined;

/** True if the account that was declared is in that jail; for one of a directory, its line. */
function isStillIn({ name, jail, directory }: OnceUser, machine: Machine): boolean {
  let account: PasswdEntry | undefined;
  try {
    account = machine.accounts.userByName(name);
  } catch (error) {
    if (!isReported(error)) throw error;
    // Its removal says which name service is silent.
    return true;
  }
  const split = account && splitHome(account.home);
  if (split !== undefined) return normalPath(split.jail) === jail;
  return (
    directory &&
    withJailState(jail, machine, (_, root) => {
      const line = new InJail(root, jail).accounts?.userByName(name);
      return line !== undefined && (account === undefined || line.uid === account.uid);
    })
  );
}
