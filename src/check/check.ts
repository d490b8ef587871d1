import type { ByteString } from "../../ffi/bytes.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { display } from "../cli/display.ts";
import { answered, describeError, JailkitError, problemFrom, remedyOf } from "../cli/error.ts";
import { BUSY } from "../cli/options.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { type JailedUser, jailedUsers, namesOf, usersByJail } from "../jail/accounts/jailed-users.ts";
import { knownServiceUsers } from "../jail/accounts/service-users.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { exchangedAt } from "../jail/record/displaced.ts";
import { type JailLock, lockJail } from "../jail/record/jail-lock.ts";
import { jailHint, linkRemedy, openNamedJail } from "../jail/record/named-jail.ts";
import { type HostAccounts, hostAccounts } from "../system/host-accounts.ts";
import { versionsOf } from "../system/host-files.ts";
import { kernelFeatures, loginFindings, uchrootFindings } from "./confinement.ts";
import { FindingList } from "./finding-list.ts";
import { type FixOutcome, fixFindings } from "./fix/fix.ts";
import {
  type AskMeant,
  configFindings,
  lasting,
  leftFindings,
  notInJailFinding,
  userFindings,
} from "./host.ts";
import { innerJails } from "./inner-jails.ts";
import { checkJail, type JailCheck, type JailReport } from "./jail.ts";
import { jailsToCheck, servedSockets } from "./jails.ts";
import { mendedMoves } from "./left-moves.ts";
import type { CheckFinding, CheckProblem } from "./rules.ts";
import { jailSettings, sectionOf } from "./settings.ts";
import { runSmokeTests, type SmokeResult } from "./smoke/smoke.ts";

/** How jails are checked. */
export interface CheckOptions {
  readonly configFile: ByteString;
  readonly full: boolean;
  readonly fix: boolean;
  /** With `fix`: do not wait for another tool that works on a jail. */
  readonly noWait: boolean;
  readonly json: boolean;
  readonly run: boolean;
  /** Report accounts that could be confined and are not. */
  readonly confinement: boolean;
}

/** A jail to check, and the users of the host who live in it. */
export interface CheckJob {
  readonly path: ByteString;
  readonly users: readonly JailedUser[];
}

/** Findings about the host, and problems and warnings that are not about one jail. */
export interface HostReport {
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
  readonly warnings: readonly string[];
  /** As in CheckedJail. */
  readonly fixes: readonly FixOutcome[];
  readonly fixed: ReadonlySet<CheckFinding>;
}

/** The findings and repairs of a jail. */
export interface CheckedJail {
  readonly path: ByteString;
  /** Undefined if the jail could not be checked. */
  readonly report: JailReport | undefined;
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
  /** The outcomes of --fix. */
  readonly fixes: readonly FixOutcome[];
  /** The findings that --fix repaired. */
  readonly fixed: ReadonlySet<CheckFinding>;
  readonly tests: readonly SmokeResult[];
}

export type CheckStatus = 0 | 1 | 2 | typeof BUSY;

// Busy jails make the status of a run that has findings, but nothing else that could not be checked.
const WEIGHT: Readonly<Record<CheckStatus, number>> = { 0: 0, 1: 1, [BUSY]: 2, 2: 3 };

/** The status of both. */
export const worse = (one: CheckStatus, other: CheckStatus): CheckStatus =>
  WEIGHT[one] > WEIGHT[other] ? one : other;

/** What a run of jk_check(8) has to do, and what it has found about the host. */
export interface CheckPlan {
  readonly host: HostReport;
  readonly jobs: readonly CheckJob[];
}

function serviceUsersAt(
  path: ByteString,
  known: ReadonlySet<ByteString>,
  accounts: HostAccounts,
): readonly JailedUser[] {
  // An error is reported when that jail is checked.
  using root = answered(() => openJailRoot(path));
  return root === undefined ? [] : knownServiceUsers(root, known, accounts).users;
}

/**
 * Checks the host, and lists the jails to check: those that were `asked` for (absolute), or all. With `fix`, mends what runs that
 * were killed have left of moves of homes. Throws JailkitError (2) if
 * the configuration cannot be used.
 */
export function planCheck(
  { configFile, confinement, fix }: Pick<CheckOptions, "configFile" | "confinement" | "fix">,
  asked: readonly ByteString[],
  meantOf: AskMeant,
): CheckPlan {
  const warnings: string[] = [];
  const unusable: CheckProblem[] = [];
  const ini = readIni(configFile, warnings, unusable);
  const local = jailedUsers();
  const { jails, problems } = jailsToCheck(ini, local, asked);
  problems.push(...unusable);
  const accounts = hostAccounts();
  const names = namesOf(local);
  const users = [...local, ...jails.flatMap((path) => serviceUsersAt(path, names, accounts))];
  const chosen = new Set(jails);
  const concerned = users.filter(({ jail }) => asked.length === 0 || chosen.has(jail ?? ""));
  servedSockets(problems);
  const findings = new FindingList().add(...configFindings(), ...concerned.flatMap(userFindings));
  findings.add(...leftFindings(asked.length === 0 ? [] : jails, problems));
  if (confinement) {
    const kernel = kernelFeatures();
    findings.add(...loginFindings(concerned, accounts, kernel, problems));
    findings.add(...uchrootFindings(asked.length === 0 ? undefined : chosen, kernel, problems));
  }
  const moves = mendedMoves(jails, asked.length === 0, fix);
  findings.add(...moves.findings);
  const { fixes, fixed } = moves;
  const found = findings.inOrder("/etc/passwd").map((one) => lasting(one, meantOf));
  const host = { findings: found, problems, warnings, fixes, fixed };
  const byJail = usersByJail(users);
  return { host, jobs: jails.map((path) => ({ path, users: byJail.get(path) ?? [] })) };
}

/** What the check of a jail needs of the host, and which versions of the host's files that is from. */
interface HostState extends Pick<JailCheck, "accounts" | "servedSocket"> {
  readonly versions: string;
}

const SOCKETD = `${CONFIG_DIRECTORY}/jk_socketd`;
const hostVersions = () => versionsOf(["/etc/passwd", "/etc/group", `${SOCKETD}.ini`, `${SOCKETD}.d`]);

function hostState(): HostState {
  // They come first: what is changed while it is read is read again.
  const versions = hostVersions();
  return { versions, accounts: hostAccounts(), servedSocket: servedSockets([]) };
}

/** Checks jails, one after the other. */
export class JailChecker {
  readonly #options: CheckOptions;
  readonly #verbose: (line: ByteString) => void;
  readonly #ini: IniFile | undefined;
  readonly #freePath: JailCheck["freePath"];
  readonly #inner: JailCheck["inner"];
  readonly #meantOf: JailCheck["meantOf"];
  readonly #whyKept: JailCheck["whyKept"];
  #host = hostState();

  /** `names`: chooses names for files that are moved away. Throws as planCheck. */
  constructor(
    options: CheckOptions,
    verbose: (line: ByteString) => void,
    meantOf: JailCheck["meantOf"],
    whyKept: JailCheck["whyKept"],
    names: JailCheck["freePath"],
  ) {
    this.#options = options;
    this.#freePath = names;
    this.#verbose = verbose;
    this.#meantOf = meantOf;
    // The plan has reported what is wrong with it.
    this.#ini = readIni(options.configFile, [], []);
    this.#inner = innerJails(this.#ini);
    this.#whyKept = whyKept;
  }

  check(job: CheckJob): Promise<CheckedJail> {
    const { settings } = jailSettings(sectionOf(this.#ini, job.path));
    const how = {
      ...{ settings, freePath: this.#freePath, whyKept: this.#whyKept, verbose: this.#verbose },
      ...{ inner: this.#inner, meantOf: this.#meantOf },
    };
    return checkOne(job.path, this.#options, how, () => this.#stateFor(job));
  }

  /** What the host has for a jail. For --fix, which calls this with the lock, what other tools have done is in it. */
  #stateFor({ path, users }: CheckJob): HostState & Pick<JailCheck, "users"> {
    if (!this.#options.fix) return { ...this.#host, users };
    if (this.#host.versions !== hostVersions()) this.#host = hostState();
    const local = jailedUsers();
    const here = local.filter(({ jail }) => jail === path);
    return { ...this.#host, users: [...here, ...serviceUsersAt(path, namesOf(local), this.#host.accounts)] };
  }
}

/** The result for a jail whose check was not completed; printable. */
export function notChecked(
  path: ByteString,
  reason: string,
  { code = "failed", remedy }: Partial<Pick<CheckProblem, "code" | "remedy">> = {},
): CheckedJail {
  const message = `${display(path)}: cannot be checked: ${reason}`;
  const nothing = { path, report: undefined, fixes: [], fixed: new Set<CheckFinding>(), tests: [] };
  return { ...nothing, findings: [], problems: [{ code, path, message, remedy }] };
}

function readIni(file: ByteString, warnings: string[], problems: CheckProblem[]): IniFile | undefined {
  try {
    const ini = loadConfig(file, { dialect: "py", exitStatus: 2 });
    if (ini === undefined)
      warnings.push(`${display(file)} does not exist, only checking jails found in /etc/passwd`);
    return ini;
  } catch (error) {
    // A file that others can write must neither hide anything nor prevent the check.
    if (!(error instanceof JailkitError) || error.code !== "config-unsafe") throw error;
    problems.push(problemFrom(error, error.code, file));
    return undefined;
  }
}

async function checkOne(
  path: ByteString,
  request: CheckOptions,
  options: Pick<JailCheck, "settings" | "freePath" | "whyKept" | "verbose" | "inner" | "meantOf">,
  stateOfHost: () => Pick<JailCheck, "users" | "accounts" | "servedSocket">,
): Promise<CheckedJail> {
  const nothing = { path, report: undefined, fixes: [], fixed: new Set<CheckFinding>(), tests: [] };
  const { verbose } = options;
  let lock: JailLock | undefined;
  let root: JailRoot;
  try {
    lock = lockJail(path, { tool: "jk_check", ...request, changes: request.fix });
    root = openNamedJail(path);
  } catch (error) {
    lock?.[Symbol.dispose]();
    if (error instanceof JailkitError && error.code === "busy")
      return { ...nothing, findings: [], problems: [problemFrom(error, error.code, path)] };
    const missing = error instanceof JailkitError && error.code === "no-such-jail";
    const { users } = stateOfHost();
    const link = linkRemedy(path, error, users.length > 0 || options.settings.section !== undefined);
    const problem = openProblem(path, error, missing);
    if (link !== undefined) return { ...nothing, findings: [], problems: [{ ...problem, remedy: link }] };
    const lost = exchangedAt(path) ? [] : users.map((user) => notInJailFinding(user, path, { missing }));
    return { ...nothing, findings: lost, problems: [problem] };
  }
  using _lock = lock;
  using opened = root;
  try {
    const how = { ...options, ...stateOfHost(), full: request.full, confinement: request.confinement };
    const report = await checkJail({ root: opened, ...how });
    const repaired = request.fix ? await fix(path, report, how) : { ...nothing, appeared: [] };
    const { fixes, fixed, appeared } = repaired;
    const smoke = request.run ? await runSmokeTests(opened, report.record.content, verbose) : undefined;
    const findings = [...report.findings, ...appeared, ...(smoke?.findings ?? [])];
    const problems = [...report.problems, ...(smoke?.problems ?? [])];
    return { path, report, findings, problems, fixes, fixed, tests: smoke?.results ?? [] };
  } catch (error) {
    return notChecked(path, describeError(error), { remedy: remedyOf(error) });
  }
}

/**
 * Repairs, and checks again: a finding is fixed if the second check does not report it. `appeared`: those that others had
 * hidden.
 */
async function fix(path: ByteString, report: JailReport, how: Omit<JailCheck, "root">) {
  const fixes = holdingSignals(() => fixFindings(path, report));
  if (!fixes.some(({ done }) => done)) return { fixes, fixed: new Set<CheckFinding>(), appeared: [] };
  using root = openJailRoot(path);
  const again = await checkJail({ root, ...how, verbose: () => undefined });
  const key = (finding: CheckFinding) => `${finding.rule}\0${finding.path}`;
  const before = new Set(report.findings.map(key));
  const left = new Set(again.findings.map(key));
  return {
    fixes,
    fixed: new Set(report.findings.filter((finding) => !left.has(key(finding)))),
    appeared: again.findings.filter((finding) => !before.has(key(finding))),
  };
}

function openProblem(path: ByteString, error: unknown, missing: boolean): CheckProblem {
  const problem = problemFrom(error, "unreadable", path);
  const hint = missing ? jailHint(path) : undefined;
  const gone = `, it does not exist${hint === undefined ? "" : `; ${hint.text}`}`;
  const message = `cannot check files in ${display(path)}/${missing ? gone : `: ${problem.message}`}`;
  return { ...problem, message, remedy: missing ? hint?.remedy : problem.remedy };
}

/** Whether another tool was working on a jail, and nothing else prevented the check. */
const isBusy = (problems: readonly CheckProblem[]) => problems.every(({ code }) => code === "busy");

/** 0: no findings, 1: findings, 2: something could not be checked; BUSY: because of --no-wait. */
export function statusOf({ findings, problems, fixed, fixes }: CheckedJail): CheckStatus {
  if (problems.length > 0) return isBusy(problems) ? BUSY : 2;
  return findings.some((finding) => !fixed.has(finding)) || fixes.some(({ done }) => !done) ? 1 : 0;
}

/** The same for the host. */
export const hostStatus = ({ findings, problems, fixed }: HostReport): 0 | 1 | 2 =>
  problems.length > 0 ? 2 : findings.some((finding) => !fixed.has(finding)) ? 1 : 0;
