import type { ByteString } from "../../ffi/bytes.ts";
import { holdingSignals, receivedSignal } from "../../ffi/interrupts.ts";
import { display } from "../cli/display.ts";
import { answered, describeError, JailkitError, problemFrom } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY } from "../cli/options.ts";
import { loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { type JailedUser, jailedUsers, namesOf, usersByJail } from "../jail/accounts/jailed-users.ts";
import { knownServiceUsers } from "../jail/accounts/service-users.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { type JailLock, lockJail } from "../jail/record/jail-lock.ts";
import { jailHint } from "../jail/record/named-jail.ts";
import { type HostAccounts, hostAccounts } from "../system/host-accounts.ts";
import { FindingList } from "./finding-list.ts";
import { type FixOutcome, fixFindings } from "./fix/fix.ts";
import { configFindings, notInJailFinding, userFindings } from "./host.ts";
import { checkJail, type JailCheck, type JailReport } from "./jail.ts";
import { type JailToCheck, jailsToCheck, servedSockets } from "./jails.ts";
import { freePaths } from "./report/remedies.ts";
import type { CheckReport } from "./report/report-schema.ts";
import type { CheckFinding, CheckProblem } from "./rules.ts";
import { runSmokeTests, type SmokeResult } from "./smoke/smoke.ts";

interface CheckRequest {
  /** Absolute. */
  readonly configFile: ByteString;
  /** Absolute; all jails if it is empty. */
  readonly jails: readonly ByteString[];
  readonly full: boolean;
  readonly fix: boolean;
  /** With `fix`: do not wait for another tool that works on a jail. */
  readonly noWait: boolean;
  readonly json: boolean;
  readonly run: boolean;
  readonly verbose: (line: ByteString) => void;
  /** Called after the check of the host, before the jails. */
  readonly begun: (host: HostReport) => void;
  /** Called after the check of each jail. */
  readonly done: (report: CheckedJail) => void;
}

/** Findings about the host, and problems and warnings that are not about one jail. */
export interface HostReport {
  readonly findings: readonly CheckFinding[];
  readonly problems: readonly CheckProblem[];
  readonly warnings: readonly string[];
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

export interface CheckResult {
  readonly host: HostReport;
  readonly jails: readonly CheckedJail[];
  /** 0: no findings, 1: findings, 2: something could not be checked; above 128: a signal ended --fix. */
  readonly exitStatus: CheckReport["exitStatus"];
}

function serviceUsersAt(
  path: ByteString,
  known: ReadonlySet<ByteString>,
  accounts: HostAccounts,
): JailedUser[] {
  // An error is reported when that jail is checked.
  using root = answered(() => openJailRoot(path));
  return root === undefined ? [] : knownServiceUsers(root, known, accounts).users;
}

/** Runs jk_check(8). Throws JailkitError (2) if the configuration cannot be used. */
export async function check(request: CheckRequest): Promise<CheckResult> {
  const warnings: string[] = [];
  const unusable: CheckProblem[] = [];
  const ini = readIni(request.configFile, warnings, unusable);
  const local = jailedUsers();
  const { jails, problems } = jailsToCheck(ini, local, request.jails);
  problems.push(...unusable);
  const accounts = hostAccounts();
  const names = namesOf(local);
  const users = [...local, ...jails.flatMap(({ path }) => serviceUsersAt(path, names, accounts))];
  const asked = new Set(jails.map(({ path }) => path));
  const concerned = users.filter(({ jail }) => request.jails.length === 0 || asked.has(jail ?? ""));
  const byJail = usersByJail(users);
  const shared = { accounts, servedSocket: servedSockets(problems), freePath: freePaths() };
  const findings = new FindingList().add(...configFindings(), ...concerned.flatMap(userFindings));
  const host: HostReport = { findings: findings.inOrder("/etc/passwd"), problems, warnings };
  request.begun(host);
  const checked: CheckedJail[] = [];
  for (const jail of jails) {
    if (receivedSignal() !== undefined) break;
    const one = await checkOne(jail, request, { ...shared, users: byJail.get(jail.path) ?? [] });
    request.done(one);
    checked.push(one);
  }
  return { host, jails: checked, exitStatus: statusAfterSignals(statusOf(host, checked)) };
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
    problems.push({ code: error.code, path: file, message: error.message });
    return undefined;
  }
}

async function checkOne(
  { path, settings }: JailToCheck,
  { verbose, full, ...request }: CheckRequest,
  shared: Pick<JailCheck, "users" | "accounts" | "servedSocket" | "freePath">,
): Promise<CheckedJail> {
  const nothing = { path, report: undefined, fixes: [], fixed: new Set<CheckFinding>(), tests: [] };
  let lock: JailLock | undefined;
  let root: JailRoot;
  try {
    lock = lockJail(path, { tool: "jk_check", ...request, changes: request.fix });
    root = openJailRoot(path);
  } catch (error) {
    lock?.[Symbol.dispose]();
    if (error instanceof JailkitError && error.code === "busy")
      return { ...nothing, findings: [], problems: [problemFrom(error, error.code, path)] };
    const missing = error instanceof JailkitError && error.code === "no-such-jail";
    const findings = shared.users.map((user) => notInJailFinding(user, path, missing));
    return { ...nothing, findings, problems: [openProblem(path, error, missing)] };
  }
  using _lock = lock;
  using opened = root;
  try {
    const how = { settings, ...shared, full };
    const report = await checkJail({ root: opened, ...how, verbose });
    const repaired = request.fix ? await fix(path, report, how) : { ...nothing, appeared: [] };
    const { fixes, fixed, appeared } = repaired;
    const smoke = request.run ? await runSmokeTests(opened, report.record.content, verbose) : undefined;
    const findings = [...report.findings, ...appeared, ...(smoke?.findings ?? [])];
    const problems = [...report.problems, ...(smoke?.problems ?? [])];
    return { path, report, findings, problems, fixes, fixed, tests: smoke?.results ?? [] };
  } catch (error) {
    const message = `${display(path)}: cannot be checked: ${describeError(error)}`;
    return { ...nothing, findings: [], problems: [{ code: "failed", path, message }] };
  }
}

/**
 * Repairs, and checks again: a finding is fixed if the second check does not report it. `appeared`: those that others had
 * hidden.
 */
async function fix(path: ByteString, report: JailReport, how: Omit<JailCheck, "root" | "verbose">) {
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
  const gone = `, it does not exist${hint === undefined ? "" : `; ${hint}`}`;
  const message = `cannot check files in ${display(path)}/${missing ? gone : `: ${problem.message}`}`;
  return { ...problem, message };
}

function statusOf(host: HostReport, jails: readonly CheckedJail[]): 0 | 1 | 2 | typeof BUSY {
  const problems = [...host.problems, ...jails.flatMap((jail) => jail.problems)];
  if (problems.length > 0) return problems.every(({ code }) => code === "busy") ? BUSY : 2;
  const open = jails.some(
    ({ findings, fixed, fixes }) =>
      findings.some((finding) => !fixed.has(finding)) || fixes.some(({ done }) => !done),
  );
  return host.findings.length > 0 || open ? 1 : 0;
}
