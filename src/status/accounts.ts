import type { ByteString } from "../../ffi/bytes.ts";
import type { AskMeant, DeclaringSection } from "../check/host.ts";
import { notInJailFinding, userFindings } from "../check/host.ts";
import { andMore, display } from "../cli/display.ts";
import { answered, describeError, isReported, JailkitError, remedyOf } from "../cli/error.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { DECLARED } from "../declaration/compare/intent.ts";
import { meantHere } from "../declaration/meant-of-lacking.ts";
import { memoized } from "../enter/gather.ts";
import { isDoubtfulHome } from "../explain/doubtful-home.ts";
import { homeRefusal } from "../explain/home-fault.ts";
import { type NoLogin, NoLogins, type Visitor, visitorOf } from "../explain/no-login.ts";
import { requireJailAccounts } from "../jail/accounts/accounts.ts";
import {
  isAnyHomeless,
  isChrootShell,
  isLimitedShell,
  type JailedUser,
} from "../jail/accounts/jailed-users.ts";
import { lookUp, withOneTree } from "../jail/fs/look.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { workerOf } from "../jail/record/at-work.ts";
import { isInOrder, type JailFacts } from "../jails/jails.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { type HostAccounts, hostAccounts, hostShadow } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { homeInJail, livesIn } from "../system/separator.ts";
import { OPTIONS } from "../users/advice.ts";
import { isClosed } from "../users/leaving.ts";
import type { Shadows } from "../users/no-shadow.ts";
import { bringBack, otherShellFault, shellFault } from "../users/open-jail.ts";
import { CHROOT_SHELL } from "../users/plan.ts";
import { type AccountFault, faultOf } from "./account-fault.ts";
import { hostFileFaults } from "./host-files.ts";
import { homelessFault, lineFault } from "./lines.ts";
import { type RulesFault, rulesFault } from "./rules.ts";
import { lostFaults } from "./start-files.ts";
import { type TwoHomes, twoHomesIn } from "./two-homes.ts";

const APPLY = "jailkit apply";
const CONFIG_CHECK = "jailkit config check";

interface InJail {
  readonly jail: ByteString;
  /** The users whom its passwd lacks. */
  readonly lacking: readonly JailedUser[];
  /** Those whose line in it lets nobody in. */
  readonly ofLines: readonly AccountFault[];
  /** What brings etc/passwd back, if it is gone. */
  readonly first?: Remedy | undefined;
  /** Those with a line in it and the shell jk_chrootsh, whose home names no jail. */
  readonly homeless: readonly AccountFault[];
  /** Those whose homes a link of the jail leads elsewhere. */
  readonly twoHomes: readonly TwoHomes[];
  /** Those whose home jk_chrootsh may refuse. */
  readonly doubtful: readonly JailedUser[];
  /** Local ones whose login shell lets nobody in. */
  readonly closed: readonly JailedUser[];
  /** What is wrong with their limited shell in the jail. */
  readonly otherShells: readonly NonNullable<ReturnType<typeof otherShellFault>>[];
  /** What is wrong with its rules. */
  readonly rules: readonly RulesFault[];
  /** The shells that are not there. */
  readonly noShells: readonly NoShell[];
  /** Why none of them can log in. */
  readonly noLogins: readonly NoLogin[];
}

interface NoShell {
  /** Who has it. */
  readonly names: readonly ByteString[];
  /** In the words of the tools for users of the jail, and in those of apply. */
  readonly fault: NonNullable<ReturnType<typeof shellFault>>;
  readonly inApply: NoShell["fault"];
}

/** Looks at the users of a jail; at none if its passwd cannot be read, which may be why none of them can log in. */
function lookIn({ path: jail, users }: JailFacts, noLogins: NoLogins, host: HostAccounts & Shadows): InJail {
  const nothing = {
    ...{
      jail,
      lacking: [],
      ofLines: [],
      homeless: [],
      twoHomes: [],
      doubtful: [],
      closed: [],
      otherShells: [],
    },
    ...{ rules: [], noShells: [], noLogins: [] },
  };
  try {
    using root = openJailRoot(jail);
    const accounts = requireJailAccounts(root);
    const there = new Map(accounts.users.map((user) => [user.name, user]));
    const groups = new Map(accounts.groups.map(({ gid, name }) => [gid, name]));
    const open = users.flatMap((user) => {
      const line = isClosed(user.shell) ? undefined : there.get(user.name);
      return line === undefined ? [] : [{ user, line }];
    });
    const stats = new Map(
      open.map(({ user }) => [user, answered(() => ({ stat: lookUp(root, homeInJail(user.home))?.stat }))]),
    );
    const twoHomes = twoHomesIn(root, [...stats.keys()], (user) => stats.get(user)?.stat);
    const linked = new Set(twoHomes.flatMap(({ users }) => users));
    const isDoubtful = ({ user, line }: (typeof open)[number]) => {
      const seen = stats.get(user);
      if (seen === undefined || linked.has(user)) return false;
      return seen.stat === undefined || isDoubtfulHome(seen.stat, line);
    };
    const isGone = there.size === 0 && lookUp(root, "/etc/passwd", { follow: true }) === undefined;
    const visitors = open.map(({ user, line }) => visitorOf({ ...line, home: user.home }, line.shell));
    const known = new Set(users.map(({ name }) => name));
    const realOf = ({ name }: JailedUser) => {
      const real = answered(() => host.userByName(name));
      return real !== undefined && livesIn(jail, real.home) ? real : undefined;
    };
    const shells = new Set(users.flatMap(({ name }) => there.get(name)?.shell ?? []));
    const byShell = Map.groupBy(open, ({ line }) => line.shell);
    const otherShells = [...shells].flatMap((shell) => answered(() => otherShellFault(root, shell)) ?? []);
    // An old limited shell chooses in its own way.
    const limited =
      otherShells.length > 0 ? [] : open.flatMap(({ line }) => (isLimitedShell(line.shell) ? line : []));
    return {
      jail,
      homeless: [...there.values()].flatMap((line) =>
        known.has(line.name) ? [] : homelessFault(line, jail),
      ),
      lacking: users.filter(({ name }) => !there.has(name)),
      ofLines: open.flatMap(({ user, line }) => lineFault(jail, line, realOf(user), groups, host) ?? []),
      first: isGone ? bringBack(root, "/etc/passwd") : undefined,
      twoHomes,
      doubtful: open.filter(isDoubtful).map(({ user }) => user),
      closed: users.filter(({ shell, fromService }) => isClosed(shell) && !fromService),
      otherShells,
      rules: [answered(() => rulesFault(root, limited, accounts)) ?? []].flat(),
      noShells: [...byShell].flatMap(([shell, those]) => noShell(root, shell, those)),
      noLogins: whyNone(root, visitors, noLogins),
    };
  } catch (error) {
    if (!isReported(error)) throw error;
    const isBad = error instanceof JailkitError && error.code === "bad-jail" && users.length > 0;
    const why = { message: `no login works: ${describeError(error)}`, advice: remedyOf(error) ?? "" };
    return isBad ? { ...nothing, noLogins: [why] } : nothing;
  }
}

/** The directories of programs and of what these read. */
const OF_PROGRAMS = ["/usr", "/usr/bin", "/usr/lib", "/bin", "/lib", "/lib64"];

function whyNone(root: JailRoot, visitors: readonly Visitor[], noLogins: NoLogins): NoLogin[] {
  if (visitors.length === 0) return [];
  return [...noLogins.in(root, visitors, false, OF_PROGRAMS), ...lostFaults(root)];
}

/** A shell that a jail does not have: jk_chrootsh has the limited one, and nobody needs one that lets nobody in. */
function noShell(
  root: JailRoot,
  shell: ByteString,
  users: readonly { readonly line: Pick<PasswdEntry, "name"> }[],
): NoShell[] {
  const look = (advice: typeof OPTIONS) => answered(() => shellFault(root, shell, advice));
  const fault = isClosed(shell) || isLimitedShell(shell) ? undefined : look(OPTIONS);
  const names = users.map(({ line }) => line.name);
  return fault === undefined ? [] : [{ names, fault, inApply: look(DECLARED) ?? fault }];
}

/** The sections that declare users of a jail, by their names. */
const declaredIn = (jail: ByteString, meantOf: AskMeant): ReadonlyMap<ByteString, DeclaringSection> =>
  new Map(meantOf.sections(jail).flatMap((one) => (one.kind === "user" ? [[one.name, one]] : [])));

/** A declared account whose login shell lets nobody in: the next run of apply would give it the other one. */
const closedFaults = (user: JailedUser): AccountFault[] =>
  shellFindings(user, "closed").map((fault) => ({
    ...fault,
    message: `${fault.message}; 'jailkit apply' would open its logins`,
    otherwise: `if nobody should log in, let the account expire: usermod -e 1 -s ${CHROOT_SHELL} ${operands(user.name)}`,
  }));

/** What is wrong with the login shell of an account. */
const shellFindings = (user: JailedUser, kind: "shell" | "closed"): AccountFault[] =>
  userFindings(user).flatMap(({ rule, message, remedy }) =>
    rule === "wrong-shell" ? [{ kind, subject: user.name, message, remedy }] : [],
  );

/** Nothing advises to take out of a jail whom a declaration has in it. */
function homelessAsMeant(
  fault: AccountFault,
  jail: ByteString,
  { meantOf, declared }: { readonly meantOf: AskMeant; readonly declared: DeclaringSection | undefined },
): AccountFault {
  if (isLocalUser(fault.subject))
    return declared === undefined ? fault : { ...fault, otherwise: undefined, declared };
  const meant = meantOf.elsewhere(fault.subject, jail);
  return meant === undefined ? fault : { ...fault, remedy: meant.command, otherwise: undefined };
}

/** Of users who are not declared, nobody has said that they need rules: an account may be in a jail for its files alone. */
function rulesFaults(
  { without, message, remedy }: RulesFault,
  jail: ByteString,
  isDeclared: (name: ByteString) => boolean,
): AccountFault[] {
  const own = without === undefined ? remedy : APPLY;
  const isWanted = without === undefined || without.some(isDeclared);
  return isWanted ? [{ kind: "no-rules", subject: jail, message, remedy: own }] : [];
}

/** What is wrong in a jail, with the commands that fit what is declared there: declarations are read only for these faults. */
function faultsIn(one: InJail, meantOf: AskMeant): AccountFault[] {
  const { jail } = one;
  const sections = memoized(() => declaredIn(jail, meantOf));
  const isDeclared = (name: ByteString) => sections().has(name);
  return [
    ...one.homeless.map((fault) =>
      homelessAsMeant(fault, jail, { meantOf, declared: sections().get(fault.subject) }),
    ),
    // It may be another account that is meant, which apply knows.
    ...one.ofLines.map((fault): AccountFault => {
      if (fault.kind === "no-group") return { ...fault, declared: sections().get(fault.subject) };
      const { line, subject, message } = fault;
      if (line === undefined) return fault;
      const declared = sections().get(subject);
      if (declared !== undefined) return { ...fault, remedy: APPLY, declared };
      const real = answered(() => hostUser(subject));
      const other = real && meantOf.otherUid(real, jail, line);
      return other === undefined
        ? fault
        : { ...fault, message: `${message}: ${other.message}`, remedy: other.remedy };
    }),
    ...one.otherShells.map((fault): AccountFault => ({ kind: "old-shell", subject: jail, ...fault })),
    ...one.twoHomes.map(({ users: [first, ...more], error }): AccountFault => {
      const message = `${display(first?.name ?? "")}${andMore(more.length)}: ${error.message}`;
      return { kind: "two-homes", subject: jail, message, remedy: error.remedy };
    }),
    ...one.rules.flatMap((fault) => rulesFaults(fault, jail, isDeclared)),
    ...one.noShells.map(({ names, fault, inApply }) => {
      const own = names.some(isDeclared) ? { ...inApply, advice: inApply.advice || APPLY } : fault;
      return faultOf("no-shell", jail, own);
    }),
    ...one.noLogins.map((fault) => faultOf("no-login", jail, fault)),
    ...one.closed.filter(({ name }) => isDeclared(name)).flatMap(closedFaults),
    ...lackingFaults(one, meantOf),
  ];
}

/** A user whose home jk_chrootsh refuses, in the words of the other tools. */
function homeFaultOf({ name }: JailedUser): AccountFault[] {
  const account = answered(() => hostUser(name));
  const refusal = account && answered(() => homeRefusal(account));
  return refusal === undefined ? [] : [faultOf("home", name, refusal)];
}

/** Whether anything is wrong for those who live in a jail. */
const hasFaults = ({ jail: _, first: __, ...found }: InJail): boolean =>
  Object.values(found).some((some) => some.length > 0);

/**
 * The users with a shell that leads out of their jail, jails with a shell that does not confine them, or without one, the users whom
 * a jail lacks or has with other ids, and those who cannot log in because of their homes, unless the condition of the jail is a
 * finding itself, or somebody works on it.
 * One whose login was closed, as by a shell nologin, is none of these, unless it is declared, and of each jk_chrootsh its own finding
 * tells.
 */
export function accountFaults(jails: readonly JailFacts[]): AccountFault[] {
  const isOther = ({ shell }: JailedUser) => !isClosed(shell) && !isChrootShell(shell);
  const outside = jails.flatMap(({ users }) => users.filter(isOther));
  const isHomeless = isAnyHomeless();
  const wanted = jails.filter(
    (jail) =>
      (isInOrder(jail) || jail.condition === "incomplete") &&
      jail.condition !== "busy" &&
      (jail.users.length > 0 || isHomeless || jail.isAnyHomeless === true),
  );
  const host = { ...hostAccounts(), shadowOf: hostShadow() };
  const [noLogins, meantOf] = [new NoLogins(), meantHere()];
  const all = withOneTree(() =>
    wanted.map((jail) => {
      const found = lookIn(jail, noLogins, host);
      // The rest of the run that was stopped brings these.
      return jail.condition === "incomplete" ? { ...found, noShells: [], noLogins: [] } : found;
    }),
  );
  // Whoever works on a jail may be about to do what is missing.
  const found = all.filter((one) => hasFaults(one) && workerOf(one.jail) === undefined);
  const doubtful = found.flatMap((one) => one.doubtful).filter((user) => !outside.includes(user));
  return [
    ...(jails.some(({ users }) => users.length > 0) ? hostFileFaults(host) : []),
    ...outside.flatMap((user) => shellFindings(user, "shell")),
    ...found.flatMap((one) => faultsIn(one, meantOf)),
    ...doubtful.flatMap(homeFaultOf),
  ];
}

function lackingFaults({ jail, lacking, first }: InJail, meantOf: AskMeant): AccountFault[] {
  return lacking.map((user) => {
    const meant = meantOf.lacking(user, jail);
    const { message, remedy, otherwise } = notInJailFinding(user, jail, { meant });
    // What lines a file should have, it says.
    const all = remedy?.includes("\n") ? CONFIG_CHECK : remedy && allOf([first ?? "", remedy]);
    return { kind: "not-in-jail", subject: user.name, message, remedy: all, otherwise };
  });
}
