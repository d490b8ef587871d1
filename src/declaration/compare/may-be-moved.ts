import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { baseName, normalPath } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { memoized } from "../../enter/gather.ts";
import { openJailRoot } from "../../jail/fs/walk.ts";
import { hasContents } from "../../jail/record/emptied.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { homeInJail, jailOfHome } from "../../system/separator.ts";
import { type Fault, type FaultText, stays } from "../change.ts";
import type { DeclaredPlace, DeclaredUser } from "../model.ts";
import type { OnceJail, OnceUser } from "../once-shape.ts";

// A backup of the declarations alone brings back the former path of a jail, and former names of its users: then nobody declares
// the jail of now, nor them, and it is the declared one all the same.

type Wanted = Pick<DeclaredUser, "name" | "jail" | "home" | "directory"> & {
  readonly place: Place;
};

type Place = Pick<DeclaredPlace, "file" | "line">;

interface Declared {
  readonly jails: readonly { readonly path: ByteString; readonly place: Place }[];
  readonly users: readonly Wanted[];
}

/** What is declared, and was once. */
export interface MovedSources {
  /** What is declared, all of it. */
  readonly declarations: readonly Declared[];
  /** What was declared once. */
  readonly before: { readonly jails: readonly Pick<OnceJail, "path">[] };
  /** What of that is not declared any more. */
  readonly leavingJails: readonly OnceJail[];
  readonly leavingUsers: readonly Pick<OnceUser, "name" | "directory">[];
  readonly accounts: Pick<HostAccounts, "userByName">;
}

/** A declared jail that is not there, and one that it may be, which nothing declares any more. */
export interface MayBeMoved {
  /** The declared path. */
  readonly jail: ByteString;
  /** Where it may be. */
  readonly now: ByteString;
  /** Why the declared one is not made. */
  readonly fault: FaultText;
  /** Why the other one stays, and its users do. */
  readonly stays: FaultText;
}

/** A sign that a declared jail is another one, printable. */
interface Sign {
  readonly is: string;
  readonly by: string;
}

/** An account that nobody declares any more, by its jail and its home there. */
interface Leaver {
  readonly name: ByteString;
  readonly jail: ByteString;
  readonly home: ByteString;
}

/** Whether the users of a jail of before may be those of a declared one, by a home. */
function homeSign(
  { path, formerly }: OnceJail,
  wanted: readonly Wanted[],
  leavers: readonly Leaver[],
): Sign | undefined {
  for (const user of wanted) {
    const home = normalPath(user.home);
    // Where it is known that the jail never moved, a home that many may have, such as /home/web, says nothing.
    const isSign = formerly === undefined || baseName(home) === user.name;
    const other = isSign ? leavers.find((one) => one.jail === path && one.home === home) : undefined;
    if (other === undefined) continue;
    const of = `${quoted(other.name)} in it`;
    return {
      is: `${of} has the home ${quoted(home)}, as ${quoted(`[user ${user.name}]`)} says`,
      by: `the home ${quoted(home)} of ${quoted(`[user ${user.name}]`)} and of ${quoted(other.name)}`,
    };
  }
  return undefined;
}

/** Whether no jail is at a path, be there a directory or not. */
const isNoJail = (path: ByteString): boolean =>
  isMissing(path) ||
  answered(() => {
    using root = openJailRoot(path);
    return !hasContents(root);
  }) === true;

const PATH: Sign = { is: "it was at this path before it was moved", by: "its path of before" };

/** The declared jails that are not there, and may be ones that are declared no more. */
export function mayBeMoved({ declarations, before, accounts, ...leaving }: MovedSources): MayBeMoved[] {
  const former = leaving.leavingJails.filter(({ path }) => !isMissing(path));
  if (former.length === 0) return [];
  const users = declarations.flatMap((one) => one.users);
  const jails = declarations.flatMap((one) => one.jails);
  const byJail = Map.groupBy(users, ({ jail }) => jail);
  const all = [...users.map(({ jail, place }) => ({ path: jail, place })), ...jails];
  const places = new Map(all.map(({ path, place }) => [path, place]));
  const known = new Set(before.jails.map(({ path }) => path));
  const leavers = leaving.leavingUsers.flatMap(({ name, directory }): Leaver[] => {
    const home = directory ? undefined : answered(() => accounts.userByName(name)?.home);
    const jail = home === undefined ? undefined : jailOfHome(home);
    return home === undefined || jail === undefined ? [] : [{ name, jail, home: homeInJail(home) }];
  });
  const isNew = ({ name, directory }: Wanted) =>
    !directory && answered(() => accounts.userByName(name) === undefined) === true;
  return [...places].flatMap(([jail, place]) => {
    const isGone = isNoJail(jail);
    // One that was made there since the other one went is its own.
    if (!isGone && known.has(jail)) return [];
    const wanted = isGone ? (byJail.get(jail) ?? []).filter(isNew) : [];
    return former.flatMap((once): MayBeMoved[] => {
      if (once.path === jail) return [];
      const sign = once.formerly?.includes(jail) === true ? PATH : homeSign(once, wanted, leavers);
      return sign === undefined ? [] : [pair(jail, place, once.path, sign)];
    });
  });
}

function pair(jail: ByteString, { file, line }: Place, now: ByteString, { is, by }: Sign): MayBeMoved {
  const header = quoted(`[jail ${jail}]`);
  const own = `[jail ${display(now)}]`;
  return {
    ...{ jail, now },
    fault: {
      code: "moved",
      message: `it is not there, and may be ${quoted(now)}, which is not declared any more: ${is}: if it is that one, bring back the declaration of ${own} and its users, in place of this one; if it is another one, declare ${own} and its users too, until this one is made`,
    },
    stays: {
      code: "moved",
      message: `${header} of ${quoted(file)}, line ${line}, which is not there, may mean ${quoted(now)}, by ${by}: declare it by its path of now, or declare both until the other one is made`,
    },
  };
}

/** The same of a machine, found when somebody asks first. */
export class MovedJails {
  readonly all: () => readonly MayBeMoved[];

  constructor(sources: () => MovedSources) {
    this.all = memoized(() => mayBeMoved(sources()));
  }

  /** Why a jail that nothing declares stays, and why nothing is taken from an account in it. */
  faultOf = (jail: ByteString): FaultText | undefined => this.all().find(({ now }) => now === jail)?.stays;

  /** Why some of these jails stay, and the others. */
  among(jails: readonly OnceJail[]) {
    const moved: Fault[] = [];
    const others = jails.filter(({ path: jail }) => {
      const fault = this.faultOf(jail);
      if (fault !== undefined) moved.push({ of: "jail", name: jail, jail, ...stays(fault) });
      return fault === undefined;
    });
    return { moved, others };
  }
}
