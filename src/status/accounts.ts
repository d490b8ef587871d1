import type { ByteString } from "../../ffi/bytes.ts";
import type { AskMeant } from "../check/host.ts";
import { notInJailFinding, userFindings } from "../check/host.ts";
import { quoted } from "../cli/display.ts";
import { answered, describeError, isReported, JailkitError, remedyOf } from "../cli/error.ts";
import { type Advice, allOf, type Remedy, told, typed } from "../cli/remedy.ts";
import { meantHere } from "../declaration/meant-of-lacking.ts";
import { directoryCommand, jailSideRemedy, meantAdvice, orLineOut } from "../enter/remedies.ts";
import { isDoubtfulHome } from "../explain/doubtful-home.ts";
import { homeRefusal } from "../explain/home-fault.ts";
import { type NoLogin, NoLogins, visitorOf } from "../explain/no-login.ts";
import { requireJailAccounts } from "../jail/accounts/accounts.ts";
import { isAnyHomeless, isChrootShell, type JailedUser } from "../jail/accounts/jailed-users.ts";
import { lookUp, withOneTree } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { workerOf } from "../jail/record/at-work.ts";
import { isInOrder, type JailFacts } from "../jails/jails.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { homeInJail, jailOfHome } from "../system/separator.ts";
import { isClosed } from "../users/leaving.ts";
import { bringBack, otherShellFault } from "../users/open-jail.ts";

/** Why an account is not in its jail as it should be, or all with a shell are not. */
export interface AccountFault {
  readonly kind: "shell" | "old-shell" | "no-login" | "not-in-jail" | "home" | "no-jail";
  /** The account, or the jail if it is about all who live there. */
  readonly subject: ByteString;
  /** Printable. */
  readonly message: ByteString;
  /** Undefined for an account that no command of this machine changes. */
  readonly remedy: Remedy | undefined;
  /** What else may be done, and when; printable. */
  readonly otherwise?: ByteString | undefined;
}

interface InJail {
  readonly jail: ByteString;
  /** The users whom its passwd lacks. */
  readonly lacking: readonly JailedUser[];
  /** Those whose primary group its etc/group lacks. */
  readonly groupless: readonly AccountFault[];
  /** What brings etc/passwd back, if it is gone. */
  readonly first?: Remedy | undefined;
  /** Those with a line in it and the shell jk_chrootsh, whose home names no jail. */
  readonly homeless: readonly AccountFault[];
  /** Those whose home jk_chrootsh may refuse. */
  readonly doubtful: readonly JailedUser[];
  /** What is wrong with their shells in the jail. */
  readonly otherShells: readonly NonNullable<ReturnType<typeof otherShellFault>>[];
  /** Why none of them can log in. */
  readonly noLogins: readonly NoLogin[];
}

/** Looks at the users of a jail; at none if its passwd cannot be read, which may be why none of them can log in. */
function lookIn({ path: jail, users }: JailFacts, noLogins: NoLogins): InJail {
  const nothing = {
    jail,
    lacking: [],
    groupless: [],
    homeless: [],
    doubtful: [],
    otherShells: [],
    noLogins: [],
  };
  try {
    using root = openJailRoot(jail);
    const accounts = requireJailAccounts(root);
    const there = new Map(accounts.users.map((user) => [user.name, user]));
    const gids = new Set(accounts.groups.map(({ gid }) => gid));
    const isDoubtful = ({ name, home, shell }: JailedUser) => {
      const line = there.get(name);
      if (line === undefined || isClosed(shell)) return false;
      const seen = answered(() => ({ stat: lookUp(root, homeInJail(home))?.stat }));
      if (seen === undefined) return false;
      return seen.stat === undefined || isDoubtfulHome(seen.stat, line);
    };
    const isGone = there.size === 0 && lookUp(root, "/etc/passwd", { follow: true }) === undefined;
    const shells = new Set(users.flatMap(({ name }) => there.get(name)?.shell ?? []));
    const visitors = users.flatMap((user) => {
      const line = there.get(user.name);
      return line === undefined || isClosed(user.shell)
        ? []
        : [visitorOf({ ...line, home: user.home }, line.shell)];
    });
    const known = new Set(users.map(({ name }) => name));
    return {
      jail,
      homeless: [...there.values()].flatMap((line) =>
        known.has(line.name) ? [] : homelessFault(line, jail),
      ),
      lacking: users.filter(({ name }) => !there.has(name)),
      groupless: users.flatMap(({ name, shell }) => {
        const gid = there.get(name)?.gid;
        return gid === undefined || gids.has(gid) || isClosed(shell) ? [] : grouplessFault(name, gid, jail);
      }),
      first: isGone ? bringBack(root, "/etc/passwd") : undefined,
      doubtful: users.filter(isDoubtful),
      otherShells: [...shells].flatMap((shell) => answered(() => otherShellFault(root, shell)) ?? []),
      noLogins: visitors.length === 0 ? [] : noLogins.in(root, visitors),
    };
  } catch (error) {
    if (!isReported(error)) throw error;
    const isBad = error instanceof JailkitError && error.code === "bad-jail" && users.length > 0;
    const why = { message: `no login works: ${describeError(error)}`, advice: remedyOf(error) ?? "" };
    return isBad ? { ...nothing, noLogins: [why] } : nothing;
  }
}

/** Why an account that a jail has a line of cannot log in: jk_chrootsh looks for its group there. */
function grouplessFault(name: ByteString, gid: number, jail: ByteString): AccountFault {
  const message = `the group of ${quoted(name)} (gid ${gid}) is missing in ${quoted(`${jail}/etc/group`)}: no login works`;
  return { kind: "not-in-jail", subject: name, message, remedy: jailSideRemedy(jail, name) };
}

/** Why an account that a jail has a line of can log in nowhere: with that shell it needs a jail in its home. */
function homelessFault({ name, uid, home: inside }: PasswdEntry, jail: ByteString): AccountFault[] {
  const account = answered(() => hostUser(name));
  const isIt = account?.uid === uid && isChrootShell(account.shell);
  if (account === undefined || !isIt || jailOfHome(account.home) !== undefined) return [];
  const isLocal = isLocalUser(name);
  // Of these all are told, whatever jail has a line of them.
  if (isLocal && account.home.includes("/./")) return [];
  const message = `${quoted(name)} has the shell ${quoted(account.shell)} and the home ${quoted(account.home)}, which names no jail: no login works`;
  const remedy = typed(meantAdvice(jail, { name, home: inside }, isLocal)) || directoryCommand(jail, name);
  return [{ kind: "no-jail", subject: name, message, remedy, otherwise: orLineOut(jail, name) }];
}

/** Nothing advises to take out of a jail whom a declaration has in it. */
const asMeant = (fault: AccountFault, meant: ReturnType<AskMeant["elsewhere"]>): AccountFault =>
  meant === undefined || isLocalUser(fault.subject)
    ? fault
    : { ...fault, remedy: meant.command, otherwise: undefined };

function faultOf(
  kind: AccountFault["kind"],
  subject: ByteString,
  { message, advice }: { readonly message: string; readonly advice: Advice },
): AccountFault {
  const said = told(message, advice);
  return { kind, subject, message: said.message, remedy: said.remedy || undefined };
}

/** A user whose home jk_chrootsh refuses, in the words of the other tools. */
function homeFaultOf({ name }: JailedUser): AccountFault[] {
  const account = answered(() => hostUser(name));
  const refusal = account && answered(() => homeRefusal(account));
  return refusal === undefined ? [] : [faultOf("home", name, refusal)];
}

/** Whether anything is wrong for those who live in a jail. */
const hasFaults = ({ lacking, groupless, homeless, doubtful, otherShells, noLogins }: InJail): boolean =>
  [lacking, groupless, homeless, doubtful, otherShells, noLogins].some((found) => found.length > 0);

/**
 * The users with a shell that leads out of their jail, jails with a shell that does not confine them, the users whom a jail
 * lacks, and those who cannot log in because of their homes, unless the condition of the jail is a finding itself, or somebody
 * works on it.
 * One whose login was closed, as by a shell nologin, is none of the first, and of each jk_chrootsh its own finding tells.
 */
export function accountFaults(jails: readonly JailFacts[]): AccountFault[] {
  const isOther = ({ shell }: JailedUser) => !isClosed(shell) && !isChrootShell(shell);
  const outside = jails.flatMap(({ users }) => users.filter(isOther));
  const ofShells = outside.flatMap((user) =>
    userFindings(user).flatMap(({ rule, message, remedy }): AccountFault[] =>
      rule === "wrong-shell" ? [{ kind: "shell", subject: user.name, message, remedy }] : [],
    ),
  );
  const isHomeless = isAnyHomeless();
  const wanted = jails.filter(
    (jail) =>
      isInOrder(jail) &&
      jail.condition !== "busy" &&
      (jail.users.length > 0 || isHomeless || jail.isAnyHomeless === true),
  );
  const noLogins = new NoLogins();
  const all = withOneTree(() => wanted.map((jail) => lookIn(jail, noLogins)));
  // Whoever works on a jail may be about to do what is missing.
  const found = all.filter((one) => hasFaults(one) && workerOf(one.jail) === undefined);
  const doubtful = found.flatMap((one) => one.doubtful).filter((user) => !outside.includes(user));
  const ofLimited = found.flatMap(({ jail, otherShells }) =>
    otherShells.map((fault): AccountFault => ({ kind: "old-shell", subject: jail, ...fault })),
  );
  const ofDoors = found.flatMap(({ jail, noLogins }) =>
    noLogins.map((fault) => faultOf("no-login", jail, fault)),
  );
  const meantOf = meantHere();
  const homeless = found.flatMap((one) => [
    ...one.homeless.map((fault) => asMeant(fault, meantOf.elsewhere(fault.subject, one.jail))),
    ...one.groupless,
  ]);
  const others = [...ofShells, ...homeless, ...ofLimited, ...ofDoors, ...doubtful.flatMap(homeFaultOf)];
  if (found.every(({ lacking }) => lacking.length === 0)) return others;
  const ofJails = found.flatMap(({ jail, lacking, first }) =>
    lacking.map((user): AccountFault => {
      const { message, remedy, otherwise } = notInJailFinding(user, jail, {
        meant: meantOf.lacking(user, jail),
      });
      const all = remedy && allOf([first ?? "", remedy]);
      return { kind: "not-in-jail", subject: user.name, message, remedy: all, otherwise };
    }),
  );
  return [...others, ...ofJails];
}
