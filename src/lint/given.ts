import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { type Advice, adviceText } from "../cli/remedy.ts";
import type { IniSection, Place } from "../config/model.ts";
import type { ReportFinding } from "../config/separators.ts";
import { adviceInstead, bringAdvice, lackingWords, wantedFor } from "../declaration/bring.ts";
import { signOf } from "../declaration/change.ts";
import type { JailWork, UserWork } from "../declaration/compare/work.ts";
import { expiredKeys } from "../declaration/key-section.ts";
import { USER_STEPS } from "../declaration/order.ts";
import { itemsOf } from "../declaration/section.ts";
import type { Doubt } from "../declaration/warnings.ts";
import { memoized } from "../enter/gather.ts";
import { isDoubtfulHome } from "../explain/doubtful-home.ts";
import { homeFault, movedHome } from "../explain/home-fault.ts";
import { lookUp } from "../jail/fs/look.ts";
import { isRegular, openJailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { isGoing } from "../system/as-user.ts";
import { accountFacts, hostAccounts } from "../system/host-accounts.ts";
import { hostGroup } from "../system/name-services.ts";
import { joinHome } from "../system/separator.ts";
import { groupOf, isAdministrators, isNumber } from "../users/groups.ts";
import { homeFor } from "../users/jail-side.ts";
import { NewAccountHost } from "../users/new-account-place.ts";
import { lintEnvironment, lintNames } from "./accounts.ts";
import { needsOf, rootGroups } from "./needs.ts";
import { PolicyLint } from "./policies.ts";

/**
 * Reports what a section of a declaration gives that it should not, perhaps: `jailkit apply` gives it all the same. `ask`: about
 * groups that are named by their gids.
 */
export function lintGiven(
  section: IniSection,
  report: ReportFinding,
  ask: Parameters<typeof groupOf>[1],
): void {
  for (const item of itemsOf(section, "groups")) {
    const { value } = item;
    const name = (isNumber(value) ? answered(() => groupOf(value, ask)?.name) : undefined) ?? value;
    if (!isAdministrators(name)) continue;
    const message = `a member of the group ${quoted(name)} can become root on most machines`;
    report(item, "warning", ADMINISTRATORS, message, { kind: "item", old: value });
  }
  for (const place of expiredKeys(section, new Date())) {
    const message =
      "sshd does not accept this key any more, by its option 'expiry-time': write a later time, or take the key out";
    report(place, "warning", "expired-key", message, { kind: "none" });
  }
  lintEnvironment(section, { report });
  lintNames(section, { report });
}

/** Advice as the end of a sentence that says what to do. */
const asAdvice = (advice: Advice): ByteString =>
  typeof advice === "string" ? `type: ${advice}` : advice.words;

const ADMINISTRATORS = "doubtful-value";

/** Something is taken out of the jail, which the rights of any user may name. */
const loses = ({ changes }: JailWork): boolean => changes.some(({ action }) => action === "remove");

/** The users of a jail who may run programs that it lacks, and will lack. */
function lackingIn(jail: JailWork, check: boolean): Doubt[] {
  const { path, declared, changes, fault, users } = jail;
  const isAsked = check || loses(jail);
  const some = users.filter((user) => user.fault === undefined && (isAsked || user.changes.length > 0));
  if (declared === undefined || fault !== undefined || some.length === 0) return [];
  using root = changes.length > 0 ? undefined : openJailRoot(path);
  const isFile = (file: ByteString) => {
    const found = root && answered(() => lookUp(root, file, { follow: true }));
    return found !== undefined && isRegular(found.stat);
  };
  return some.flatMap((user) =>
    // Unless dry runs could foresee what the jail gets, nothing is known.
    (user.lacks ?? (root === undefined ? [] : lackingWords(user.declared, isFile))).map(
      ({ item, service, programs }) => {
        const { file, line, column } = item;
        const lack = `${quoted(item.value)} needs ${programs.map(quoted).join(", ")}, which the jail lacks`;
        const message = `${lack}: ${asAdvice(bringAdvice(declared, wantedFor(service, programs[0])))}`;
        return { user: user.declared.name, problem: { file, line, column, message } };
      },
    ),
  );
}

/** Why jk_chrootsh will refuse a home that moves into the jail, as it is. */
function faultOfMoved(account: PasswdEntry, jail: ByteString): ByteString | undefined {
  const home = movedHome(normalPath(account.home));
  if (home.stat === undefined || !isDoubtfulHome(home.stat, account)) return undefined;
  return homeFault({ ...account, home: joinHome(jail, homeFor(account, jail)) }, { joins: [], home });
}

/** Why a user cannot log in because of the home, whose owner, group and mode stay as they are. */
function refusedHome({ declared, doubtful, moves }: UserWork): Doubt[] {
  const { name, jail, place } = declared;
  const find = () => (moves === undefined ? doubtful && homeFault(doubtful) : faultOfMoved(moves, jail));
  const message = answered(find);
  const { file, line, column } = place;
  return message === undefined ? [] : [{ user: name, problem: { file, line, column, message } }];
}

/** The homes of users who lack something. */
const homesToCome = ({ users }: JailWork): ByteString[] =>
  users.flatMap(({ declared, changes, fault }) =>
    changes.length > 0 || fault !== undefined ? normalPath(declared.home) : [],
  );

/** A place, and what is said there, as one text: of thousands, each is asked about. */
export const saidAt = ({ file, line, column }: Place, message = ""): string =>
  `${line}:${column}:${file}\0${message}`;

const ofJail = ({ path, declared }: JailWork) =>
  declared === undefined ? undefined : new Map([[path, declared]]);

/** The steps after which a run looks at all groups and the home of an account, and says what these let it do. */
const LOOKED_AT: ReadonlySet<string> = new Set([...USER_STEPS.inside, ...USER_STEPS.account]);

/**
 * The same of users who get something, with `check` of all: who made a declaration and applies it is told, and a run of
 * cron(8) that has nothing to do says nothing, and looks at nothing. All users of a jail are told of what is taken out of it.
 */
export function doubtsIn(jails: readonly JailWork[], check: boolean): Doubt[] {
  const lacking = jails.flatMap((work) => lackingIn(work, check));
  const doubts = [...lacking];
  const placesOfLacking = new Set(lacking.map(({ problem }) => saidAt(problem)));
  const told = new Set(lacking.map(({ problem }) => saidAt(problem, problem.message)));
  const add = (...some: readonly Doubt[]) => {
    doubts.push(...some);
    for (const { problem } of some) told.add(saidAt(problem, problem.message));
  };
  using policies = new PolicyLint();
  const host = new NewAccountHost();
  const accountsOf = memoized(() => {
    const accounts = hostAccounts();
    return { ...accounts, ...accountFacts(accounts) };
  });
  const all = jails.flatMap((jail) => {
    const homes = homesToCome(jail);
    return jail.users.map((user) => ({ jail, homes, user }));
  });
  for (const { jail, homes, user } of all) {
    const { declared, changes, fault } = user;
    const isAsked = check || changes.length > 0;
    const goes =
      fault === undefined && jail.fault === undefined && loses(jail)
        ? (path: ByteString) => isGoing(jail.path, path)
        : undefined;
    if (!isAsked && goes === undefined) continue;
    const lookedAt = changes.find((one) => LOOKED_AT.has(`${signOf(one)}${one.what}`));
    const isLookedAt = lookedAt !== undefined;
    if (check || (isAsked && !isLookedAt)) add(...refusedHome(user));
    if (check) add(...needsOf(user, jail, lookedAt, host), ...rootGroups(user, lookedAt, accountsOf));
    const { section } = declared.place;
    if (section === undefined) continue;
    const report: ReportFinding = (place, _severity, code, message, fix) => {
      if (code === ADMINISTRATORS && isLookedAt && !check) return;
      // Of the program of a word is told already how it comes into the jail.
      if (placesOfLacking.has(saidAt(place)) || told.has(saidAt(place, message))) return;
      const { file, line, column } = place;
      const advice = fix?.kind === "command" && adviceInstead(adviceText(fix.text), ofJail(jail));
      const whole = advice ? `${message}: ${asAdvice(advice)}` : message;
      add({ user: declared.name, problem: { file, line, column, message: whole } });
    };
    const known = { isWhole: jail.changes.length === 0, homes };
    const now = new Set<string>();
    if (goes !== undefined)
      policies.lint(declared, known, (place, _severity, _code, message) => now.add(saidAt(place, message)));
    const reportThen: ReportFinding = (place, severity, code, message, fix) => {
      const isNew = goes !== undefined && !now.has(saidAt(place, message));
      const whole = isNew ? `without what --prune removes, ${message}` : message;
      if (isNew || isAsked) report(place, severity, code, whole, fix);
    };
    if (fault === undefined) policies.lint(declared, { ...known, goes }, reportThen);
    if (isAsked) lintGiven(section, report, { groupByName: hostGroup, groupByGid: hostGroup });
  }
  return doubts;
}
