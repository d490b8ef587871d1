import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { type Stat, statAt } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError, problemFrom } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { requireJailToFill } from "../../jail/fs/host-directories.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { temporaryName } from "../../jail/fs/place.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { makeDirectoryIn, putFile, removeTree, setAttributes } from "../../jail/fs/write.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { passwdByName } from "../../system/accounts.ts";
import { isNoexec, remountCommand } from "../../system/mounts.ts";
import { findProgram } from "../../system/run.ts";
import { livesIn } from "../../system/separator.ts";
import { isExecutable } from "../account-files.ts";
import { recordedSections } from "../record.ts";
import type { CheckFinding, CheckProblem } from "../rules.ts";
import { type Account, runStep, type Tested } from "./step.ts";
import { SMOKE_TESTS, type SmokeTest } from "./table.ts";

export interface SmokeResult {
  readonly sections: readonly ByteString[];
  readonly shows: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** The reason if it failed or was skipped; printable. */
  readonly reason?: string | undefined;
}

/** Runs the tests of the jail's sections as an ordinary user. An error ends them, and is in `problems`. */
export async function runSmokeTests(
  root: JailRoot,
  content: ManifestContent | undefined,
  verbose: (line: ByteString) => void,
): Promise<{ results: SmokeResult[]; findings: CheckFinding[]; problems: CheckProblem[] }> {
  const results: SmokeResult[] = [];
  const problems: CheckProblem[] = [];
  const recorded = content && recordedSections(content);
  try {
    const launcher = launcherFor(root);
    const account = testAccount(root);
    for (const test of SMOKE_TESTS) {
      const { sections, shows } = test;
      const concerns = recorded?.some((section) => sections.includes(section)) ?? true;
      const program = concerns ? firstProgram(root, test) : undefined;
      if (program === undefined) continue;
      const { outcome, reason } = await runTest({ root, launcher, program, account }, test);
      verbose(`${outcome}: ${shows}${reason === undefined ? "" : ` (${reason})`}`);
      results.push({ sections, shows, outcome, reason });
    }
  } catch (error) {
    const what = results.length === 0 ? "no test was run" : "not every test was run";
    const before = `${what} in ${display(root.path)}: `;
    problems.push({ ...problemFrom(error, "not-run", root.path, before), code: "not-run" });
  }
  const failed = results.filter(({ outcome }) => outcome === "failed");
  const findings = failed.map(({ shows, reason = "" }): CheckFinding => {
    const message = `the test that ${shows} failed in ${display(root.path)}: ${reason}`;
    return { rule: "smoke-test", path: root.path, message, remedy: `jk_check --fix ${shellWord(root.path)}` };
  });
  return { results, findings, problems };
}

/** The path of chroot(1) on the host. Throws JailkitError if no tests can be run in the jail. */
function launcherFor(root: JailRoot): ByteString {
  if (libc.geteuid() !== 0) throw new JailkitError("not-root", 2, "tests in a jail must be run as root");
  const launcher = findProgram("chroot");
  if (launcher === undefined)
    throw new JailkitError("no-chroot", 2, "the program chroot is missing: install coreutils");
  requireJailToFill(root, 2);
  if (isNoexec(root.fd)) {
    const remedy = remountCommand("exec", root.path);
    throw new JailkitError("noexec", 2, `its file system is mounted noexec: ${remedy}`, undefined, remedy);
  }
  return launcher;
}

/** An account that lives in the jail, else another ordinary one of its passwd, else nobody. */
function testAccount(root: JailRoot): Account {
  const ordinary = readJailAccounts(root).users.filter(({ uid, gid }) => uid !== 0 && gid !== 0);
  const jailed = ordinary.find(({ name, uid }) => {
    const real = passwdByName(name);
    return real?.uid === uid && livesIn(root.path, real.home);
  });
  const entry = jailed ?? ordinary[0];
  if (entry !== undefined) return { ...entry, inJail: true };
  return { name: "nobody", uid: 65534, gid: 65534, inJail: false };
}

/** The program that a test runs; undefined if the jail has none of them. */
const firstProgram = (root: JailRoot, { programs }: SmokeTest) =>
  programs.find((path) => isExecutable(lookUp(root, path, { follow: true })?.stat));

async function runTest(
  tested: Omit<Tested, "directory">,
  { needsAccount, steps, leaves }: SmokeTest,
): Promise<Pick<SmokeResult, "outcome" | "reason">> {
  const { root, program, account } = tested;
  if (needsAccount && !account.inJail)
    return { outcome: "skipped", reason: "the jail's passwd has no ordinary account" };
  const directory = `/${temporaryName().replace(/^\.jk-/, ".jk-check-")}`;
  let made: Stat | undefined;
  try {
    made = createDirectory(root, directory);
    prepare(root, directory, account);
    for (const step of steps) {
      const reason = await runStep({ ...tested, directory }, step);
      if (reason !== undefined) return { outcome: "failed", reason };
    }
    if (leaves === undefined || lookUp(root, `${directory}/${leaves}`) !== undefined)
      return { outcome: "passed" };
    const reason = `${display(program)} exited with 0, but did not create ${display(leaves)}`;
    return { outcome: "failed", reason };
  } catch (error) {
    return { outcome: "failed", reason: describeError(error) };
  } finally {
    if (made !== undefined) removeTree(root, directory, made);
  }
}

function createDirectory(root: JailRoot, directory: ByteString): Stat {
  const name = directory.slice(1);
  if (makeDirectoryIn(root, root.top, name, { mode: 0o700, uid: 0, gid: 0 }) === "created")
    return statAt(root.fd, name);
  throw new JailkitError("in-the-way", 1, `${display(root.path + directory)}: already exists`);
}

function prepare(root: JailRoot, directory: ByteString, { uid, gid }: Account): void {
  // While the directory still belongs to root.
  putFile(root, `${directory}/seed`, toBytes("hello\n"), { mode: 0o644, uid, gid });
  setAttributes(root, directory, { uid, gid, mode: 0o700 });
}
