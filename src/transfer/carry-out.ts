import type { ByteString } from "../../ffi/bytes.ts";
import { countedObjects, display, quoted } from "../cli/display.ts";
import { answered, JailkitError, problemFrom } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { reportedProblem } from "../cli/report.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { readSocketdSection } from "../config/schemas/socketd.ts";
import { examineLogin } from "../explain/examine.ts";
import { lookUp } from "../jail/fs/look.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { type JailRoot, openTree } from "../jail/fs/walk.ts";
import { type JailLock, withHostAccounts } from "../jail/record/jail-lock.ts";
import { changeManifest, openManifest, recordRequest, saveManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { putDropIn } from "../populate/apply/drop-in.ts";
import { setUpLive } from "../populate/apply/live.ts";
import { type LogLimits, logSocketSections, registerLogSocket } from "../populate/apply/log-socket.ts";
import { addProcLine, mountJailProc } from "../populate/apply/proc.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { openSafeJail } from "../populate/open-jail.ts";
import { isPassedOver } from "../populate/passed-over.ts";
import { addGroup } from "../system/account-tools.ts";
import { groupByName } from "../system/accounts.ts";
import { hostText } from "../system/host-files.ts";
import type { UpdatedJailReport } from "../update/report-schema.ts";
import { Updater } from "../update/updater.ts";
import { NO_ACCESS } from "../users/access.ts";
import { AccountRun, makeChanges } from "../users/account-run.ts";
import { type Advice, OPTIONS } from "../users/advice.ts";
import { planJailSide } from "../users/changes.ts";
import { createAccount } from "../users/create-account.ts";
import { homeFor } from "../users/jail-side.ts";
import { planNewAccount } from "../users/new-account.ts";
import { addPolicies, readPolicies } from "../users/policy.ts";
import type { AccountChoice } from "./accounts.ts";
import type { ImportPlan } from "./import-plan.ts";
import { knownKeys, sameKeys } from "./sections.ts";

/** The name of the tool, in messages. */
export const IMPORT = "jailkit import";

/** What an import has done. */
export interface ImportOutcome {
  /** Printable. */
  readonly steps: string[];
  readonly warnings: string[];
  readonly problems: PopulateProblem[];
  /** The number of files, directories, links and devices that were created. */
  created: number;
}

const LATER = "use --without-users, and create the account afterwards with jk_addjailuser";

/** The file says what accounts have. */
const IMPORTED: Advice = {
  ...OPTIONS,
  home: `${LATER} -d`,
  uid: `${LATER} -u`,
  name: LATER,
  exists: "run this again",
};

interface ImportMeans {
  readonly lock: JailLock | undefined;
  readonly noWait: boolean;
  /** Shows a step. */
  readonly say: (line: string) => void;
}

/**
 * Makes the jail of a plan without problems. The first failure ends it: the same import, done again, goes on from there. All
 * is in the outcome; throws nothing that is reported.
 */
export async function carryOut(plan: ImportPlan, means: ImportMeans): Promise<ImportOutcome> {
  const run = new Import(plan, means);
  const steps: readonly (() => void | Promise<void>)[] = [
    () => run.addSections(),
    () => run.createJail(),
    () => run.fill(),
    () => run.addExtras(),
    () => run.addPolicies(),
    () => run.addAccounts(),
    () => run.addSettings(),
  ];
  for (const step of steps) {
    try {
      stopIfInterrupted("not everything is imported; run this again");
      await step();
    } catch (error) {
      const full = noRoom(error, plan.jail, { left: [], progress: "not everything is imported" });
      run.outcome.problems.push(full ?? problemFrom(error, "failed", plan.jail));
    }
    if (run.outcome.problems.length > 0) break;
  }
  return run.outcome;
}

class Import {
  readonly outcome: ImportOutcome = { steps: [], warnings: [], problems: [], created: 0 };

  constructor(
    private readonly plan: ImportPlan,
    private readonly means: ImportMeans,
  ) {}

  addSections(): void {
    for (const { section, file, text } of this.plan.dropIns) {
      this.writeDropIn(file, text);
      this.done(`added the section ${quoted(section)} in ${display(file)}`);
    }
  }

  /** Creates the directory, and records what was requested: an update completes the jail from then on. */
  createJail(): void {
    const { jail, contents, begun, digest, transfer } = this.plan;
    using root = openSafeJail(jail, { create: true, sync: false, unsafeStatus: 1 });
    if (root === undefined) throw new JailkitError("no-such-jail", 1, `${display(jail)} cannot be created`);
    this.means.lock?.hold(root.top.stat);
    if (!begun) {
      const manifest = openManifest(root);
      for (const request of contents.requests) recordRequest(manifest, request);
      changeManifest(manifest, (content) => {
        content.imported = digest;
        if (transfer.without.length > 0) content.without = [...transfer.without];
      });
      saveManifest(manifest);
      this.done(`created the jail ${display(jail)}`);
    }
    if (contents.live === undefined) return;
    // A step that fails says what it has mounted.
    const reporter = { say: (line: ByteString) => this.done(line), detail: () => undefined };
    setUpLive(root, contents.live, reporter);
  }

  async fill(): Promise<void> {
    const { jail, transfer } = this.plan;
    // Before the update, which would set the usual limits.
    if (transfer.logSocket !== undefined) {
      const file = registerLogSocket(jail, CONFIG_DIRECTORY, transfer.logSocket);
      if (file !== undefined) this.done(`added the log socket in ${display(file)}`);
      else this.compareLogSocket(transfer.logSocket);
    }
    using updater = new Updater({
      ...{ tool: IMPORT, verbose: false, json: true, check: false, strict: true },
    });
    const options = { directories: [], skips: [], hardlink: false, prune: false, dryRun: false, json: true };
    const { report } = await updater.update({
      ...{ ...options, jail, checkOnly: false, sync: false, shellsOnly: false, everyJail: false },
      noWait: this.means.noWait,
    });
    if (report !== undefined) this.addReport(report);
  }

  /** Another section may name the socket already, which is the administrator's. */
  private compareLogSocket(wanted: LogLimits): void {
    const [section] = logSocketSections(this.plan.jail).sections;
    if (section === undefined) return;
    const { base, peak, interval } = readSocketdSection(section);
    if (base === wanted.base && peak === wanted.peak && interval === wanted.interval) return;
    const shown = `the limits of the log socket, in ${display(section.file)},`;
    this.outcome.warnings.push(`${shown} differ on the two machines: those of this machine are used`);
  }

  /** What a recipe does not ask for. */
  addExtras(): void {
    const { jail, transfer, contents } = this.plan;
    if (!transfer.proc || contents.needProc) return;
    using root = openNamedJail(jail);
    addProcLine(jail);
    mountJailProc(root);
    this.done(`mounted proc on ${display(jail)}/proc`);
  }

  addPolicies(): void {
    const { jail, transfer } = this.plan;
    if (transfer.policies.length === 0) return;
    using root = openNamedJail(jail);
    const added = addPolicies(root, transfer.policies);
    for (const name of added) this.done(`added the section [${display(name)}] in the jail's jk_lsh.ini`);
    for (const section of readPolicies(root).ini.sections) {
      const wanted = transfer.policies.find(({ name }) => name === section.name)?.keys;
      if (wanted === undefined || sameKeys(knownKeys(section, lshKeys).keys, wanted)) continue;
      const shown = `the section [${display(section.name)}] of the jail's jk_lsh.ini`;
      this.outcome.warnings.push(`${shown} differs on the two machines: that of this machine is used`);
    }
  }

  addAccounts(): void {
    using root = openNamedJail(this.plan.jail);
    // A home in that of another user is not created, nor is the other one above it by root.
    const byHome = this.plan.accounts.toSorted((a, b) => (a.user.home < b.user.home ? -1 : 1));
    for (const choice of byHome) {
      stopIfInterrupted("not all accounts are there; run this again");
      if (choice.state === "absent") continue;
      if (choice.state === "create") this.create(root, choice);
      this.prepare(root, choice);
      if (this.outcome.problems.length > 0) return;
    }
  }

  addSettings(): void {
    const there = new Set(
      this.plan.accounts.flatMap(({ user, state }) => (state === "absent" ? [] : user.name)),
    );
    for (const { name, file, text } of this.plan.settings) {
      if (!there.has(name)) continue;
      this.writeDropIn(file, text);
      this.done(`added the section [${display(name)}] in ${display(file)}`);
    }
  }

  private create(root: JailRoot, { user, createGroup, joins }: AccountChoice): void {
    const { name, uid, gid, group, comment, home, shell } = user;
    if (createGroup && groupByName(group) === undefined) {
      withHostAccounts(() => addGroup(group, gid));
      this.done(`created the group ${quoted(group)} with the gid ${gid}`);
    }
    const values = {
      ...{ name, shell, comment, home, uid: `${uid}`, gid: group, authorizedKey: [] },
      ...{ expiredate: undefined, inactive: undefined, skel: undefined },
      // It matches none, and does not lock the account, for which sshd without PAM accepts no key.
      password: "*",
      // It comes from the other machine.
      noCreateHome: true,
      ...{ nonUnique: false, system: false },
    };
    const access = { ...NO_ACCESS, joins };
    const run = new AccountRun(name);
    createAccount(planNewAccount(root, values, access, IMPORTED), values, run);
    this.done(`created the account ${quoted(name)} with the uid ${uid} and no password`);
  }

  /** Writes the lines of an account in the jail, and creates an empty home. */
  private prepare(root: JailRoot, { user }: AccountChoice): void {
    using host = openTree("/");
    const options = {
      host,
      jail: root.path,
      shell: user.shell,
      access: NO_ACCESS,
      dryRun: false,
      move: false,
    };
    const run = new AccountRun(user.name);
    makeChanges(
      [planJailSide(run, root, { ...options, remove: false })],
      () => root.path,
      (account) => {
        // Why a home is not created is said already.
        const isThere = answered(() => lookUp(root, homeFor(account, root.path))) !== undefined;
        const except = isThere ? [] : (["home"] as const);
        if (run.status !== "unchanged") examineLogin(account, { root, access: NO_ACCESS, except }, run);
      },
    );
    for (const step of run.steps) this.done(`${quoted(user.name)}: ${step}`);
    this.outcome.warnings.push(...run.warnings.map((line) => `${quoted(user.name)}: ${line}`));
    const { failure } = run;
    if (failure !== undefined) this.outcome.problems.push({ ...failure, code: "account", path: user.name });
  }

  private addReport({ changes, warnings, problems }: UpdatedJailReport): void {
    const count = changes.filter(({ done }) => done).length;
    this.outcome.created += count;
    if (count > 0) this.done(`created ${countedObjects(count)}`);
    this.outcome.warnings.push(...warnings);
    // As of jk_init in a container, which may not mount proc.
    this.outcome.warnings.push(...problems.filter(isPassedOver).map(({ message }) => message));
    const failed = problems.filter((problem) => !isPassedOver(problem));
    this.outcome.problems.push(...failed.map(reportedProblem));
  }

  private writeDropIn(file: ByteString, text: ByteString): void {
    try {
      putDropIn(CONFIG_DIRECTORY, file.slice(CONFIG_DIRECTORY.length), text, { replace: false });
    } catch (error) {
      // Another import may have added the same section meanwhile.
      if (hostText(file) !== text) throw error;
    }
  }

  private done(line: string): void {
    this.outcome.steps.push(line);
    this.means.say(line);
  }
}
